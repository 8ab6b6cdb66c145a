package jobstest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
)

// handling has these handlers.
func handling(handlers map[string]func(context.Context, *jobs.Job[confirmation]) error) *jobs.Mux {
	mux := &jobs.Mux{}
	for jobType, handle := range handlers {
		jobs.Handle(mux, jobType, handle)
	}
	return mux
}

// confirmingBy has another handler of orders.confirm.
func confirmingBy(handle func(context.Context, *jobs.Job[confirmation]) error) *jobs.Mux {
	return handling(map[string]func(context.Context, *jobs.Job[confirmation]) error{"orders.confirm": handle})
}

func queueConfirm(_ context.Context, job *jobs.Job[confirmation]) error {
	job.Queue("update orders set confirmed = confirmed + 1 where id = $1", job.Args.OrderID)
	job.Count("updated", 1)
	return nil
}

func newBench(t jobstest.TB, mux *jobs.Mux) *jobstest.Bench {
	t.Helper()
	return jobstest.New(t, types, mux, jobstest.Config{Migrate: orders})
}

var seven = confirmation{OrderID: 7}

// recorder is a test whose failures are wanted.
type recorder struct {
	*testing.T
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// wantFailure wants f to fail its test once, with a text that has all of these parts.
func wantFailure(t *testing.T, f func(t jobstest.TB), parts ...string) {
	t.Helper()
	r := &recorder{T: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	r.wantFailed(parts...)
}

// wantFailed wants one failure since the last look, with a text that has all of these parts.
func (r *recorder) wantFailed(parts ...string) {
	r.Helper()
	failures := r.failures
	r.failures = nil
	if len(failures) != 1 {
		r.T.Errorf("it failed %d times, want once: %q", len(failures), failures)
		return
	}
	for _, part := range parts {
		if !strings.Contains(failures[0], part) {
			r.T.Errorf("the failure does not say %q:\n%s", part, failures[0])
		}
	}
}

func check[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}
