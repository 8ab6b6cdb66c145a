package jobs

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// stopSoon asks the worker to stop and waits until it has noticed.
func (w *worker) stopSoon() (stopped <-chan error) {
	result := make(chan error, 1)
	go func() { result <- w.stop() }()
	<-w.stopping.Done()
	return result
}

// A worker that is asked to stop takes no more, gives back what it has not begun, and lets its handlers finish.
func TestDrain(t *testing.T) {
	t.Parallel()

	t.Run("waits for handlers that finish in time", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		started, gate := make(chan struct{}), make(chan struct{})
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			close(started)
			<-gate
			if ctx.Err() != nil {
				t.Errorf("the handler was stopped: %v", context.Cause(ctx))
			}
			return writeEffect(ctx, job)
		}), Config{})
		run := s.publish(`{"key":"a"}`)
		<-started
		stopped := w.stopSoon()
		late := s.publish(`{"key":"late"}`)
		close(gate)
		check(t, <-stopped)
		s.wantOneEffectEach(run)
		if n := s.count("select count(*) from oprun.operation_runs where id = $1", late); n != 0 {
			t.Error("a job was taken after the stop")
		}
		if info := s.consumer(); info.NumAckPending+int(info.NumPending) != 1 {
			t.Errorf("%d messages are not acknowledged and %d wait, want the late one alone", info.NumAckPending, info.NumPending)
		}
	})

	t.Run("gives unclaimed messages to another worker at once", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		gate := newProxy(t, s.database)
		_, ledger := s.openLedger(gate.url)
		nothing := handling(func(context.Context, *Job[keyed]) error { return nil })
		w := s.startOn(s.js, ledger, nothing, Config{Concurrency: 3000})
		s.eventually("the worker to pull", func() bool { return s.consumer().NumWaiting > 0 })
		gate.freeze() // claims take for ever, and messages pile up behind them
		const jobs = 1500
		s.publishAll(repeat(jobs, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
		s.eventually("all messages to be in hand", func() bool { return s.consumer().NumAckPending == jobs })
		stopped := w.stopSoon()
		gate.thaw()
		check(t, <-stopped)
		since := time.Now()
		other := s.start(nothing, Config{})
		s.settled(jobs)
		s.acknowledged()
		if took := time.Since(since); took > s.topology.AckWait/2 {
			t.Errorf("the next worker had them all after %s, want it at once", took)
		}
		s.wantCountersEqualRows(w, other)
	})

	t.Run("does not wait for ever for a ledger that takes no dead letters", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		gate := newProxy(t, s.database)
		_, ledger := s.openLedger(gate.url)
		w := s.startOn(s.js, ledger, writing(), Config{})
		s.eventually("the worker to pull", func() bool { return s.consumer().NumWaiting > 0 })
		gate.freeze()
		must(s.js.Publish(t.Context(), "jobs.nonsense", nil))(t)
		s.eventually("the message to be in hand", func() bool { return s.consumer().NumAckPending == 1 })
		stopped := w.stopSoon()
		select {
		case err := <-stopped:
			check(t, err)
		case <-time.After(ledgerPatience + lastWords + 10*time.Second):
			t.Fatal("the worker does not stop")
		}
		gate.thaw()
		s.start(writing(), Config{})
		s.eventually("the next worker to bury it", func() bool { return s.count("select count(*) from oprun.dead_letters") == 1 })
	})

	t.Run("gives back what was claimed and has not begun", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		started, gate := make(chan struct{}), make(chan struct{})
		mux := handling(func(ctx context.Context, job *Job[keyed]) error {
			close(started)
			<-gate
			return writeEffect(ctx, job)
		})
		mux.Limit(testType, 1)
		w := s.start(mux, Config{})
		runs := s.publishAll(repeat(5, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
		<-started
		s.eventually("all to be claimed", func() bool {
			return s.count("select count(*) from oprun.operation_runs where status = 'running'") == 5
		})
		stopped := w.stopSoon()
		s.eventually("the others to be given back", func() bool {
			return s.count("select count(*) from oprun.operation_runs where status = 'queued' and attempt = 1 and max_attempts = 4") == 4
		})
		other := s.start(writing(), Config{})
		s.eventually("the others to end elsewhere", func() bool {
			return s.count("select count(*) from oprun.operation_runs where outcome = 'succeeded'") == 4
		})
		close(gate)
		check(t, <-stopped)
		s.settled(5)
		s.acknowledged()
		s.wantOneEffectEach(runs...)
		s.wantCountersEqualRows(w, other)
	})

	t.Run("stops handlers that outlive it, and gives their runs back", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		started := make(chan uuid.UUID, 1)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			started <- job.RunID
			<-ctx.Done()
			if cause := context.Cause(ctx); !errors.Is(cause, ErrShutdown) {
				t.Errorf("the handler was stopped by %v, want %v", cause, ErrShutdown)
			}
			return ctx.Err()
		}), Config{DrainTimeout: 100 * time.Millisecond})
		s.publish(`{"key":"a"}`)
		run := <-started
		check(t, w.stop())
		got := s.run(run)
		if got.Status != "queued" || got.Attempt != 1 || got.MaxAttempts != 4 {
			t.Errorf("the run is %s with attempt %d of %d, want queued with 1 of 4", got.Status, got.Attempt, got.MaxAttempts)
		}
		wantAttempts(t, s.attempts(run), oprun.AttemptCancelled)
		other := s.start(writing(), Config{})
		s.settled(1)
		s.acknowledged()
		s.wantOneEffectEach(run)
		s.wantCountersEqualRows(w, other)
	})

	t.Run("ends although Postgres is away, and leaves the rest to the leases", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		s.hurry()
		gate := newProxy(t, s.database)
		_, ledger := s.openLedger(gate.url)
		started, done := make(chan struct{}), make(chan struct{})
		w := s.startOn(s.js, ledger, handling(func(context.Context, *Job[keyed]) error {
			close(started)
			<-done
			return nil
		}), Config{DrainTimeout: 100 * time.Millisecond})
		run := s.publish(`{"key":"a"}`)
		<-started
		gate.freeze()
		stopped := w.stopSoon()
		close(done)
		check(t, <-stopped)
		gate.thaw()
		s.start(writing(), Config{})
		s.settled(1)
		s.acknowledged()
		if got := s.run(run); got.Outcome != oprun.Succeeded {
			t.Errorf("the run ended as %s", got.Outcome)
		}
	})
}

// Two workers come and go while jobs keep coming: whatever is in hand at a stop is neither lost nor doubled.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	const jobs, restarts = 1500, 6
	var effects atomic.Int64
	mux := func() *Mux {
		return handling(func(ctx context.Context, job *Job[keyed]) error {
			defer effects.Add(1)
			return writeEffect(ctx, job)
		})
	}
	config := Config{Concurrency: 64, Poll: 20 * time.Millisecond}
	runs := s.publishAll(repeat(jobs, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
	workers := []*worker{s.start(mux(), config)}
	for i := range restarts {
		s.eventually("some progress", func() bool { return effects.Load() > int64(jobs*(i+1)/(restarts+2)) })
		workers = append(workers, s.start(mux(), config))
		check(t, workers[i].stop())
	}
	s.settled(jobs)
	s.acknowledged()
	s.wantOneEffectEach(runs...)
	s.wantCountersEqualRows(workers...)
}
