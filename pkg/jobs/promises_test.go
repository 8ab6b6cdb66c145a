package jobs

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/oprun"
)

// starting tells, by attempt, when the handler began.
func starting(started chan<- time.Time) *Mux {
	return handling(func(ctx context.Context, job *Job[keyed]) error {
		started <- time.Now()
		return writeEffect(ctx, job)
	})
}

// A worker process dies in its handler. Its job is running elsewhere before its lease has been over for two seconds,
// whichever is longer, lease or AckWait, and whichever way the job came.
func TestDeadWorkersJobRunsElsewhereSoon(t *testing.T) { //nolint:paralleltest // it is about seconds, and has them for itself
	for name, ackWait := range map[string]time.Duration{"AckWait shorter than the lease": shortAckWait, "AckWait longer": 30 * time.Second} {
		for origin, ask := range map[string]func(*stack) uuid.UUID{
			"message": func(s *stack) uuid.UUID { return s.publish(`{"key":"a"}`) },
			"ledger":  func(s *stack) uuid.UUID { return s.ask(s.dispatcher(), keyed{"a"}).ID },
		} {
			t.Run(name+", born as a "+origin, func(t *testing.T) {
				s := newPortStack(t, nil)
				s.topology.AckWait = ackWait
				must(s.topology.Apply(t.Context(), s.js, false))(t)
				c := s.process("halt in the handler")
				run := ask(s)
				c.is("in the handler")
				started := make(chan time.Time, 1)
				s.start(starting(started), Config{})
				c.kill()
				died := time.Now()
				s.settled(1)
				if took := (<-started).Sub(died); took > shortLease+2*time.Second {
					t.Errorf("the job ran elsewhere %s after its worker's death, want it within its lease of %s and 2s", took, shortLease)
				}
				s.wantOneEffectEach(run)
			})
		}
	}
}

// A worker that is asked to stop hands over what it has not begun: the next one has begun all of it within a second.
func TestCleanStopHandsOverAtOnce(t *testing.T) { //nolint:paralleltest // it is about seconds, and has them for itself
	s := newStack(t)
	release := make(chan struct{})
	mux := handling(func(ctx context.Context, job *Job[keyed]) error {
		select {
		case <-release:
		case <-ctx.Done():
			return ctx.Err()
		}
		return writeEffect(ctx, job)
	})
	mux.Limit(testType, 1) // one runs, the others wait: claimed, and not begun
	w := s.start(mux, Config{})
	const jobs = 50
	runs := s.publishAll(repeat(jobs, func(i int) string { return `{"key":"` + strconv.Itoa(i) + `"}` }))
	s.eventually("all to be claimed", func() bool {
		return s.count("select count(*) from oprun.operation_runs where status = 'running'") == jobs
	})
	started := make(chan time.Time, jobs)
	s.start(starting(started), Config{Poll: 50 * time.Millisecond})
	asked := time.Now()
	stopped := w.stopSoon()
	var last time.Time
	for range jobs - 1 {
		last = <-started
	}
	if took := last.Sub(asked); took > time.Second {
		t.Errorf("the others had all begun %s after the stop was asked for, want within a second", took)
	}
	close(release)
	check(t, <-stopped)
	s.settled(jobs)
	s.wantOneEffectEach(runs...)
}

// Postgres is away for a minute. No message is lost or naked in a storm, and work resumes within five seconds.
func TestPostgresDownForAMinute(t *testing.T) {
	t.Parallel()
	postgres := devstack.PrivatePostgres(t, devstack.PostgresConfig{})
	check(t, postgres.CreateDatabase(t.Context(), "oprun"))
	migrate(t, postgres.URL("oprun"))
	s := stackOn(t, devstack.Server(t), postgres.URL("oprun"))
	s.hurry()
	s.catalog = testCatalog(t, patientJob())
	started := make(chan time.Time, 4096)
	w := s.start(starting(started), Config{Concurrency: 64})
	const before, during = 200, 300
	input := func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }
	runs := s.publishAll(repeat(before, input))
	s.eventually("some runs to end", func() bool { return w.metric(t, "runs_total", "outcome=succeeded") > before/4 })

	check(t, postgres.Stop())
	later := s.publishAll(repeat(during, func(i int) string { return input(before + i) }))
	down := time.NewTimer(time.Minute)
	defer down.Stop()
	most := 0
	for watch := time.NewTicker(time.Second); ; {
		most = max(most, s.consumer().NumRedelivered)
		select {
		case <-watch.C:
			continue
		case <-down.C:
			watch.Stop()
		}
		break
	}
	delivered := s.consumer().Delivered.Consumer
	check(t, postgres.Restart(t.Context()))
	back := time.Now()
	s.settled(before + during)
	if took := firstAfter(started, back).Sub(back); took > 5*time.Second {
		t.Errorf("the first job began %s after Postgres was back, want within 5s", took)
	}
	s.acknowledged()
	s.wantOneEffectEach(append(runs, later...)...)
	// Each of the messages in hand came back once for each AckWait at the most, and no more were asked for.
	if storm := uint64(before + 64*(1+int(time.Minute/shortAckWait))); delivered > storm {
		t.Errorf("%d deliveries by the end of the minute, want at most %d", delivered, storm)
	}
	if most > 64 {
		t.Errorf("%d messages were being redelivered at once, want at most the 64 in hand", most)
	}
}

// firstAfter returns the first of the times told so far that is later than this.
func firstAfter(told <-chan time.Time, moment time.Time) (first time.Time) {
	for {
		select {
		case first = <-told:
			if first.After(moment) {
				return first
			}
		default:
			return first
		}
	}
}

// A peer's known failure: a worker is frozen past its lease and thawed while a second one runs the same job. The first
// one's attempt is fenced, its effect rolled back, and the second one's outcome stands (I2, I9).
func TestFrozenWorkerThawsWhileASecondRuns(t *testing.T) {
	t.Parallel()
	s := newPortStack(t, nil)
	c := s.process("halt in the transaction")
	run := s.publish(`{"key":"a"}`)
	c.is("in the transaction")
	c.signal(syscall.SIGSTOP)

	began, goOn := make(chan struct{}), make(chan struct{})
	s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
		close(began)
		<-goOn
		job.Count("processed", int64(job.Attempt))
		return writeEffect(ctx, job)
	}), Config{})
	<-began
	c.signal(syscall.SIGCONT)
	c.goOn()
	s.eventually("the first to be refused", func() bool {
		return s.count("select count(*) from oprun.operation_run_attempts where result = 'fenced' and attempt = 1") == 1
	})
	if got := s.run(run); got.Status != "running" || got.Attempt != 2 {
		t.Fatalf("the run is %s in attempt %d, want the second one to have it", got.Status, got.Attempt)
	}
	close(goOn)
	s.settled(1)
	s.wantOneEffectEach(run)
	wantAttempts(t, s.attempts(run), oprun.AttemptFenced, oprun.AttemptSucceeded)
	if got := s.run(run); got.SummaryCounts["processed"] != 2 {
		t.Errorf("the counts are %v, want the second attempt's (I13)", got.SummaryCounts)
	}
}
