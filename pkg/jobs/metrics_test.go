package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// Counters are the ledger's rows when no process has died (I12), whatever becomes of the jobs.
func TestCountersEqualRows(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	handle := func(ctx context.Context, job *Job[keyed]) error {
		switch job.RunID[15] % 10 {
		case 0:
			return Blocked("test.blocked", "blocked")
		case 1:
			return Cancel(errors.New("cancelled"))
		case 2:
			return Permanent(errBoom)
		case 3:
			return errBoom
		case 4:
			return onFirst(func() error { return Snooze(0) })(ctx, job)
		case 5:
			return onFirst(func() error { panic(errBoom) })(ctx, job)
		case 6:
			job.Failure("test.partial", "partially")
			return nil
		}
		return writeEffect(ctx, job)
	}
	first, second := s.start(handling(handle), Config{}), s.start(handling(handle), Config{})
	const jobs = 400
	s.publishAll(repeat(jobs, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
	subject := events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)
	for range 10 {
		must(s.js.Publish(t.Context(), subject, []byte(`{}`)))(t)
	}
	s.settled(jobs)
	s.acknowledged()
	s.wantCountersEqualRows(first, second)
	for _, w := range []*worker{first, second} {
		if running, free := w.metric(t, "running_attempts"), w.metric(t, "slots_available"); running != 0 || free != 1024 {
			t.Errorf("%v attempts run and %v slots are free, want 0 and 1024", running, free)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()

	t.Run("are of the form that Prometheus asks for", func(t *testing.T) {
		t.Parallel()
		registry := prometheus.NewPedanticRegistry()
		must(newMetrics(registry, []string{testType}, newSlots(1)))(t)
		for _, problem := range must(promlint.NewWithMetricFamilies(must(registry.Gather())(t)).Lint())(t) {
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	})

	t.Run("exist from the start, at zero", func(t *testing.T) {
		t.Parallel()
		registry := prometheus.NewRegistry()
		must(newMetrics(registry, []string{testType}, newSlots(1)))(t)
		w := &worker{registry: registry}
		for _, verdict := range dedupe.Verdicts() {
			for _, jobType := range []string{testType, unknownType} {
				if n := w.metric(t, "deliveries_total", "job_type="+jobType, "verdict="+verdict.String()); n != 0 {
					t.Errorf("%v deliveries of %s are counted as %s", n, jobType, verdict)
				}
			}
		}
		for _, reason := range dedupe.Reasons() {
			w.metric(t, "dead_letters_total", "reason="+reason.String())
		}
	})

	t.Run("have no label that a sender chooses", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{})
		for _, subject := range []string{"jobs.tenant." + s.tenant.String() + ".made.up", "jobs.nonsense"} {
			must(s.js.Publish(t.Context(), subject, []byte(`{}`)))(t)
		}
		s.eventually("both to be refused", func() bool {
			return w.metric(t, "deliveries_total", "job_type=unknown", "verdict=rejected") == 2
		})
		families := must(w.registry.Gather())(t)
		text := fmt.Sprint(families)
		if strings.Contains(text, "made.up") || strings.Contains(text, s.tenant.String()) {
			t.Error("a label shows what the sender wrote")
		}
	})
}
