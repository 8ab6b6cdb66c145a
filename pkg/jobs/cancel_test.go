package jobs

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// Success wins over a request for cancellation that comes meanwhile; whatever else becomes of the attempt, the run
// is cancelled.
func TestCancellation(t *testing.T) {
	t.Parallel()

	t.Run("loses against a success that comes first", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			s.requestCancel(job.RunID)
			return writeEffect(ctx, job)
		}), Config{})
		run := s.finished(`{"key":"a"}`)
		s.wantOneEffectEach(run)
		s.wantCountersEqualRows(w)
	})

	for name, err := range map[string]error{
		"ends a run that fails meanwhile":   errBoom,
		"ends a run that snoozes meanwhile": Snooze(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
				s.requestCancel(job.RunID)
				return err
			}), Config{})
			run := s.run(s.finished(`{"key":"a"}`))
			if run.Outcome != oprun.Cancelled || run.Attempt != 1 {
				t.Errorf("the run ended as %s in attempt %d, want cancelled in the first", run.Outcome, run.Attempt)
			}
			s.wantCountersEqualRows(w)
		})
	}

	t.Run("ends a queued run at once, and its message runs nothing", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.dispatch("a")
		s.publishedInto(run)
		if got := s.cancel(run); got.Outcome != oprun.Cancelled || !strings.Contains(string(got.Context), `"by": "ada"`) {
			t.Errorf("the run is %s with context %s, want it cancelled by ada", got.Outcome, got.Context)
		}
		w := s.start(writing(), Config{})
		s.acknowledged()
		s.settled(1)
		if got := s.run(run); got.Outcome != oprun.Cancelled || got.Attempt != 0 {
			t.Errorf("the run ended as %s after %d attempts, want cancelled after none", got.Outcome, got.Attempt)
		}
		s.wantOneEffectEach()
		if n := w.deliveries(t, "completed"); n != 1 {
			t.Errorf("%d deliveries were answered as completed, want the run's own", n)
		}
	})

	t.Run("leaves a running run its identity until its handler has stopped", func(t *testing.T) {
		t.Parallel() // [X18]
		s := newStack(t)
		s.hurry()
		started, leave := make(chan uuid.UUID, 2), make(chan struct{})
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			started <- job.RunID
			<-ctx.Done()
			<-leave
			return context.Cause(ctx)
		}), Config{})
		s.publish(`{"key":"a"}`)
		run := <-started
		if got := s.cancel(run); got.CompletedAt != nil || got.CancelRequestedAt == nil {
			t.Errorf("the run is %s, want it asked to stop", got.Status)
		}
		s.publish(`{"key":"a"}`)
		s.eventually("the duplicate to be recorded", func() bool { return s.recordedDuplicates() == 1 })
		close(leave)
		s.settled(1)
		s.acknowledged()
		if got := s.run(run); got.Outcome != oprun.Cancelled {
			t.Errorf("the run ended as %s, want cancelled", got.Outcome)
		}
		s.wantAttempt(run, oprun.AttemptCancelled, oprun.ByOperator)
		s.wantCountersEqualRows(w)
	})

	t.Run("loses against successes that come with it", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const runs = 40
		ready, race := make(chan uuid.UUID, runs), make(chan struct{})
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			ready <- job.RunID
			<-race
			return writeEffect(context.WithoutCancel(ctx), job) // nobody is stopped, and so all succeed
		}), Config{})
		s.publishAll(repeat(runs, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
		ids := receive(ready, runs)
		close(race)
		for _, id := range ids {
			s.cancel(id)
		}
		s.settled(runs)
		s.acknowledged()
		s.wantOneEffectEach(ids...)
		s.wantCountersEqualRows(w)
	})

	t.Run("of a run whose worker is gone is the sweeper's to end", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.claimed(`{"key":"a"}`)
		if got := s.cancel(run); got.CompletedAt != nil {
			t.Errorf("the run is %s while its lease runs", got.Outcome)
		}
		s.endLease(run)
		w := s.start(writing(), Config{})
		s.settled(1)
		if got := s.run(run); got.Outcome != oprun.Cancelled {
			t.Errorf("the run ended as %s, want cancelled", got.Outcome)
		}
		s.wantAttempt(run, oprun.AttemptAbandoned, "")
		s.wantOneEffectEach()
		s.wantCountersEqualRows(w)
	})
}

// Whoever looks at a cancelled attempt learns who stopped it: people, the drain, the lease or the handler itself.
func TestAttemptCause(t *testing.T) {
	t.Parallel()
	untilStopped := func(started chan<- uuid.UUID) *Mux {
		return handling(func(ctx context.Context, job *Job[keyed]) error {
			if job.Attempt > 1 {
				return nil
			}
			started <- job.RunID
			<-ctx.Done()
			return ctx.Err()
		})
	}

	t.Run("is the drain when the worker was stopped", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		started := make(chan uuid.UUID, 1)
		w := s.start(untilStopped(started), Config{DrainTimeout: 50 * time.Millisecond})
		s.publish(`{"key":"a"}`)
		run := <-started
		check(t, w.stop())
		s.wantAttempt(run, oprun.AttemptCancelled, oprun.ByDrain)
	})

	t.Run("is the lost lease when the worker could not beat", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.catalog = testCatalog(t, hurriedJob("key")) // and a long AckWait: no sweeper comes before the result
		gate := newProxy(t, s.database)
		_, ledger := s.openLedger(gate.url)
		started, stopped := make(chan uuid.UUID, 1), make(chan struct{})
		s.startOn(s.js, ledger, handling(func(ctx context.Context, job *Job[keyed]) error {
			if job.Attempt > 1 {
				return nil
			}
			started <- job.RunID
			<-ctx.Done()
			close(stopped)
			return ctx.Err()
		}), Config{})
		s.publish(`{"key":"a"}`)
		run := <-started
		gate.freeze()
		<-stopped
		gate.thaw()
		s.settled(1)
		s.wantAttempt(run, oprun.AttemptCancelled, oprun.ByLeaseLost)
	})

	t.Run("is the handler when it asked for the end", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(handling(func(context.Context, *Job[keyed]) error { return Cancel(errBoom) }), Config{})
		run := s.publish(`{"key":"a"}`)
		s.settled(1)
		s.wantAttempt(run, oprun.AttemptCancelled, oprun.ByHandler)
	})

	t.Run("is an operator when one asked for it", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		started := make(chan uuid.UUID, 1)
		s.start(untilStopped(started), Config{})
		s.publish(`{"key":"a"}`)
		run := <-started
		s.cancel(run)
		s.settled(1)
		s.wantAttempt(run, oprun.AttemptCancelled, oprun.ByOperator)
	})
}

// wantAttempt fails the test unless the run's first attempt is recorded with this result and cause.
func (s *stack) wantAttempt(run uuid.UUID, result oprun.AttemptResult, cause oprun.Cause) {
	s.t.Helper()
	attempts := must(s.ledger.Attempts(s.t.Context(), run))(s.t)
	if len(attempts) == 0 || attempts[0].Result != result || attempts[0].Cause != cause {
		s.t.Errorf("the attempts are %+v, want the first %s by %q", attempts, result, cause)
	}
}

// cancel asks for the end of a run, as people do.
func (s *stack) cancel(run uuid.UUID) oprun.Run {
	s.t.Helper()
	var got oprun.Run
	s.eventually("the run not to be locked", func() bool {
		var err error
		if got, err = s.ledger.Cancel(s.t.Context(), run, "ada", "by mistake"); !oprun.Unavailable(err) {
			check(s.t, err)
		}
		return err == nil
	})
	return got
}

func receive[T any](from <-chan T, n int) (list []T) {
	for range n {
		list = append(list, <-from)
	}
	return list
}

func (s *stack) requestCancel(run uuid.UUID) {
	s.t.Helper()
	s.exec("update oprun.operation_runs set cancel_requested_at = now() where id = $1", run)
}
