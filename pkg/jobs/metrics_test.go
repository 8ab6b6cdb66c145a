package jobs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// fate decides by a run's id what becomes of it, and over all runs everything that a handler can make of one.
func (s *stack) fate(ctx context.Context, job *Job[keyed]) error {
	switch job.RunID[15] % 12 {
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
	case 7:
		<-ctx.Done()
		return ctx.Err()
	case 8:
		s.requestCancel(job.RunID)
		return errBoom
	case 9:
		job.Queue("insert into effects values ($1, $2)", job.RunID, job.Attempt)
		return nil
	}
	return writeEffect(ctx, job)
}

// Counters are the ledger's rows when no process has died (I12), by type, whatever becomes of the jobs.
func TestCountersEqualRows(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const otherType, jobs = "test.other", 500
	job := testJob("key")
	job.Timeout = time.Second
	s.catalog = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{testType: job, otherType: job}}, nil))(t)
	mux := handling(s.fate)
	Handle(mux, otherType, s.fate)
	first, second := s.start(mux, Config{}), s.start(mux, Config{})
	series := slices.Sorted(maps.Keys(first.series(t)))
	for i := range jobs / 2 {
		s.dispatch(strconv.Itoa(i))
	}
	for i := range jobs / 2 {
		s.publish(fmt.Sprintf(`{"key":"%d"}`, i), func(r *events.Request) { r.Identity.Type = otherType })
	}
	for _, m := range s.refusedMessages() {
		if m.reason == "schema" { // these types have none
			continue
		}
		message := &nats.Msg{Subject: orDefault(m.subject, events.Subjects{}.Subject(dedupe.Tenant(s.tenant), testType)), Header: m.header, Data: []byte(m.body)}
		must(s.js.PublishMsg(t.Context(), message))(t)
	}
	s.settled(jobs)
	s.acknowledged()
	workers := []*worker{first, second}
	s.eventually("the last run to be counted", func() bool {
		return first.metric(t, "runs_total")+second.metric(t, "runs_total") == jobs
	})
	for _, w := range workers {
		if running, free := w.metric(t, "running_attempts"), w.metric(t, "slots_available"); running != 0 || free != 1024 {
			t.Errorf("%v attempts run and %v slots are free, want 0 and 1024", running, free)
		}
	}
	s.wantCountersEqualRows(workers...)
	// A retry is an attempt that failed and was not the last.
	s.wantCounted("retries", `select r.type, '', count(*) from oprun.operation_run_attempts a join oprun.operation_runs r on r.id = a.run_id
		where a.result in ('failed', 'timed_out', 'panicked') and a.attempt < r.attempt group by 1`,
		func() map[byType]int { return s.counted("retries_total", "", workers) })
	runs, attempts := s.counted("runs_total", "outcome", workers), s.counted("attempts_total", "result", workers)
	for _, jobType := range []string{testType, otherType} {
		for _, outcome := range oprun.Outcomes() {
			if runs[byType{jobType, string(outcome)}] == 0 {
				t.Errorf("no run of %s has %s: this test has tested nothing", jobType, outcome)
			}
		}
		for _, result := range []oprun.AttemptResult{oprun.AttemptFailed, oprun.AttemptTimedOut, oprun.AttemptPanicked, oprun.AttemptCancelled} {
			if attempts[byType{jobType, string(result)}] == 0 {
				t.Errorf("no attempt of %s has %s: this test has tested nothing", jobType, result)
			}
		}
	}
	after := slices.Sorted(maps.Keys(first.series(t)))
	if diff := cmp.Diff(slices.DeleteFunc(series, absentWithoutCause), slices.DeleteFunc(after, absentWithoutCause)); diff != "" {
		t.Errorf("series that were not there from the start (-before +after):\n%s", diff)
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

	t.Run("of the ledger, the stream and the pool are in the registry of whoever makes a worker", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		registry := prometheus.NewPedanticRegistry()
		w := &worker{Worker: s.idle(Config{Registry: registry}), registry: registry}
		if up, age := w.metric(t, "ledger_up"), w.metric(t, "jetstream_stream_max_age_seconds"); up != 1 || age != 7*24*3600 {
			t.Errorf("the ledger is up: %v, and the stream keeps messages for %v s", up, age)
		}
		if most := w.metric(t, "db_pool_max_connections"); most != float64(s.pool.Config().MaxConns) {
			t.Errorf("the pool may have %v connections", most)
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
