package jobs

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// begin opens a transaction of a caller's, who has a table of orders.
func (s *stack) begin() pgx.Tx {
	s.t.Helper()
	s.exec("create table if not exists orders (key text)")
	tx := must(s.pool.Begin(s.t.Context()))(s.t)
	s.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

// order writes a row of the caller's and asks for its job.
func (s *stack) order(tx pgx.Tx, key string) Dispatched {
	s.t.Helper()
	must(tx.Exec(s.t.Context(), "insert into orders values ($1)", key))(s.t)
	return must(s.dispatcher().DispatchTx(s.t.Context(), tx, dedupe.Tenant(s.tenant), testType, keyed{key}))(s.t)
}

// passes lets the relay do its work, and with it all that was due before.
func (s *stack) passes(key string) uuid.UUID {
	s.t.Helper()
	run := s.ask(s.dispatcher(), keyed{key})
	s.eventually("another run to pass", func() bool { return s.run(run.ID).Status == "completed" })
	return run.ID
}

func TestDispatchTx(t *testing.T) {
	t.Parallel()

	t.Run("is there with the caller's rows when they commit, and not before", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		tx := s.begin()
		run := s.order(tx, "a")
		wantRun(t, run, run.ID, true)
		other := s.passes("b")
		s.wantOneEffectEach(other)
		check(t, tx.Commit(t.Context()))
		s.dispatcher().Wake()
		s.settled(2)
		s.wantOneEffectEach(run.ID, other)
		if n := s.count("select count(*) from orders"); n != 1 {
			t.Errorf("%d orders, want 1", n)
		}
	})

	t.Run("leaves nothing when the caller rolls back", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.start(writing(), Config{})
		tx := s.begin()
		run := s.order(tx, "a")
		check(t, tx.Rollback(t.Context()))
		other := s.passes("b")
		s.settled(1)
		s.wantOneEffectEach(other)
		if _, err := s.ledger.Run(t.Context(), run.ID); err == nil || s.count("select count(*) from orders") != 0 {
			t.Errorf("run: %v, orders: %d", err, s.count("select count(*) from orders"))
		}
		again := s.ask(s.dispatcher(), keyed{"a"})
		wantRun(t, again, again.ID, true)
	})

	// X09: were it to start before, it would not see what the caller wrote, and the request would be served by nobody.
	t.Run("keeps a queued run that it joins from starting before the commit", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.ask(s.dispatcher(), keyed{"a"})
		tx := s.begin()
		wantRun(t, s.order(tx, "a"), run.ID, false)
		var orders atomic.Int64
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			if job.Args.Key == "a" {
				orders.Store(int64(s.count("select count(*) from orders")))
			}
			return writeEffect(ctx, job)
		}), Config{})
		other := s.passes("b")
		if got := s.run(run.ID); got.Attempt != 0 {
			t.Errorf("before the commit the run is %s in attempt %d", got.Status, got.Attempt)
		}
		check(t, tx.Commit(t.Context()))
		s.settled(2)
		s.wantOneEffectEach(run.ID, other)
		if orders.Load() != 1 {
			t.Errorf("the run saw %d orders, want 1", orders.Load())
		}
	})

	t.Run("joins a run that is running without holding it up", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		gate := make(chan struct{})
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			<-gate
			return writeEffect(ctx, job)
		}), Config{})
		run := s.ask(s.dispatcher(), keyed{"a"})
		s.running(run.ID)
		tx := s.begin()
		wantRun(t, s.order(tx, "a"), run.ID, false)
		lease := func() time.Time { return *s.run(run.ID).LeaseExpiresAt }
		before := lease()
		s.eventually("a heartbeat", func() bool { return lease().After(before) })
		close(gate)
		s.settled(1) // it ends, too, while the caller's transaction is open
		check(t, tx.Commit(t.Context()))
		s.wantOneEffectEach(run.ID)
	})

	t.Run("wakes a worker when the caller says so", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(writing(), Config{Poll: time.Hour})
		s.eventually("the relay to look", func() bool { return w.metric(t, "relay_last_success_timestamp_seconds") > 0 })
		tx := s.begin()
		run := s.order(tx, "a")
		check(t, tx.Commit(t.Context()))
		s.dispatcher().Wake()
		s.settled(1)
		s.wantOneEffectEach(run.ID)
	})
}

// running waits until a run has begun.
func (s *stack) running(id uuid.UUID) {
	s.t.Helper()
	s.eventually("the run to begin", func() bool { return s.run(id).Status == "running" })
}

// succeeded waits until a run has succeeded.
func (s *stack) succeeded(id uuid.UUID) {
	s.t.Helper()
	s.eventually("the run to succeed", func() bool { return s.run(id).Outcome == oprun.Succeeded })
}
