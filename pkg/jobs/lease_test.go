package jobs

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

func TestHeartbeat(t *testing.T) {
	t.Parallel()

	t.Run("keeps a job that takes longer than its lease and AckWait", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		handle := func(ctx context.Context, job *Job[keyed]) error {
			select {
			case <-time.After(shortLease + shortAckWait + 500*time.Millisecond):
				return writeEffect(ctx, job)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		first, second := s.start(handling(handle), Config{}), s.start(handling(handle), Config{})
		run := s.finished(`{"key":"a"}`)
		s.wantOneEffectEach(run)
		wantAttempts(t, s.attempts(run))
		if n := first.deliveries(t, "execute") + first.deliveries(t, "busy") + second.deliveries(t, "execute") + second.deliveries(t, "busy"); n != 1 {
			t.Errorf("the message was delivered %d times, want once", n)
		}
	})

	t.Run("that cannot reach the ledger stops the handler before another may start it", func(t *testing.T) {
		t.Parallel() // I3
		s := newStack(t)
		s.hurry()
		gate := newProxy(t, s.database)
		_, ledger := s.openLedger(gate.url)
		started, stopped := make(chan struct{}), make(chan time.Time, 1)
		// One message in hand: it must not take the run's next message from the other worker.
		s.startOn(s.js, ledger, handling(func(ctx context.Context, job *Job[keyed]) error {
			close(started)
			<-ctx.Done()
			stopped <- time.Now()
			if cause := context.Cause(ctx); !errors.Is(cause, ErrLeaseLost) {
				t.Errorf("the handler was stopped by %v, want %v", cause, ErrLeaseLost)
			}
			return ctx.Err()
		}), Config{Concurrency: 1})
		run := s.publish(`{"key":"a"}`)
		<-started
		gate.freeze()
		restarted := make(chan time.Time, 1)
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			restarted <- time.Now()
			return writeEffect(ctx, job)
		}), Config{})
		if first, second := <-stopped, <-restarted; !first.Before(second) {
			t.Errorf("the second attempt began %s before the first was stopped", first.Sub(second))
		}
		s.settled(1)
		gate.thaw()
		s.eventually("the first attempt to be recorded as fenced", func() bool {
			return len(s.attempts(run)) == 2 && s.attempts(run)[0] == oprun.AttemptFenced
		})
		s.acknowledged()
		s.wantOneEffectEach(run)
	})

	t.Run("brings a request for cancellation to the handler", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		started := make(chan uuid.UUID)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			started <- job.RunID
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, ErrCancelRequested) {
				t.Errorf("the handler was stopped by %v, want %v", cause, ErrCancelRequested)
			}
			return ctx.Err()
		}), Config{})
		s.publish(`{"key":"a"}`)
		run := <-started
		s.requestCancel(run)
		s.settled(1)
		s.acknowledged()
		if got := s.run(run); got.Outcome != oprun.Cancelled || len(got.FailureSummary) > 0 {
			t.Errorf("the run ended as %s (%v), want cancelled", got.Outcome, got.FailureSummary)
		}
		wantAttempts(t, s.attempts(run), oprun.AttemptCancelled)
		s.wantCountersEqualRows(w)
	})

	t.Run("does not stop a handler that goes on after its commit", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			if err := writeEffect(ctx, job); err != nil {
				return err
			}
			select {
			case <-time.After(shortLease + time.Second):
			case <-ctx.Done():
				t.Errorf("it was stopped by %v", context.Cause(ctx))
			}
			return nil
		}), Config{})
		run := s.publish(`{"key":"a"}`)
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
		if n := w.deliveries(t, "completed"); n != 0 {
			t.Errorf("the message was delivered %d times more, want it kept in progress", n)
		}
		s.wantCountersEqualRows(w)
	})
}

// A session that locks a run for long, say of somebody who looks at it, keeps its heartbeat from the ledger. The
// handler is stopped in time, since nobody knows who comes first when the lock is gone.
func TestLockedRun(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.hurry()
	started, stopped := make(chan uuid.UUID), make(chan error)
	s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
		if job.Attempt > 1 {
			return writeEffect(ctx, job)
		}
		started <- job.RunID
		<-ctx.Done()
		stopped <- context.Cause(ctx)
		return ctx.Err()
	}), Config{})
	s.publish(`{"key":"a"}`)
	run := <-started
	tx := must(s.pool.Begin(t.Context()))(t)
	defer func() { _ = tx.Rollback(context.Background()) }()
	must(tx.Exec(t.Context(), "select from oprun.operation_runs where id = $1 for update", run))(t)
	if cause := <-stopped; !errors.Is(cause, ErrLeaseLost) {
		t.Errorf("the handler was stopped by %v, want %v", cause, ErrLeaseLost)
	}
	check(t, tx.Commit(t.Context()))
	s.settled(1)
	s.acknowledged()
	s.wantOneEffectEach(run)
}
