package jobstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

func TestRun(t *testing.T) {
	t.Parallel()

	t.Run("tries again without the waits of a retry", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(func(ctx context.Context, job *jobs.Job[confirmation]) error {
			if job.Attempt < 3 {
				return jobs.Retry(errors.New("not yet"), time.Hour)
			}
			return confirm(ctx, job)
		}))
		run := bench.Run("orders.confirm", seven)
		run.WantSucceeded()
		run.WantAttempts(oprun.AttemptFailed, oprun.AttemptFailed, oprun.AttemptSucceeded)
		bench.WantEffects(1, confirmedSeven)
		bench.Redeliver(run)
		bench.WantEffects(1, confirmedSeven)
	})

	t.Run("ends when all attempts have failed", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(func(context.Context, *jobs.Job[confirmation]) error { panic("no") }))
		run := bench.Run("orders.confirm", seven)
		run.WantOutcome(oprun.Failed)
		run.WantFailures("handler.panicked")
		run.WantAttempts(oprun.AttemptPanicked, oprun.AttemptPanicked, oprun.AttemptPanicked, oprun.AttemptPanicked, oprun.AttemptPanicked)
	})

	t.Run("carries out what is queued", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(queueConfirm))
		run := bench.Run("orders.confirm", seven)
		run.WantSucceeded()
		run.WantCounts(map[string]int64{"updated": 1})
		bench.WantEffects(1, confirmedSeven)
	})

	t.Run("leaves a job that is put off for later", func(t *testing.T) {
		t.Parallel()
		ready := false
		bench := newBench(t, confirmingBy(func(ctx context.Context, job *jobs.Job[confirmation]) error {
			if !ready {
				return jobs.Snooze(time.Hour)
			}
			return confirm(ctx, job)
		}))
		run := bench.Run("orders.confirm", seven)
		run.WantOutcome(oprun.Pending)
		run.WantAttempts()
		bench.Continue(run.ID).WantOutcome(oprun.Pending)
		ready = true
		bench.Continue(run.ID).WantSucceeded()
		bench.WantEffects(1, confirmedSeven)
	})

	t.Run("leaves what a handler dispatches of its own type", func(t *testing.T) {
		t.Parallel()
		mux := &jobs.Mux{}
		bench := newBench(t, mux)
		jobs.Handle(mux, "orders.confirm", func(ctx context.Context, job *jobs.Job[confirmation]) error {
			return job.Commit(ctx, func(tx pgx.Tx) error {
				if job.Args.OrderID > 7 {
					return nil
				}
				_, err := bench.Dispatcher.DispatchTx(ctx, tx, job.Scope, "orders.confirm", confirmation{OrderID: job.Args.OrderID + 1})
				return err
			})
		})
		run := bench.Run("orders.confirm", seven)
		run.WantDispatched("orders.confirm")
		next := run.Dispatched[0]
		if next.Scope != bench.Tenant || next.Input != `{"order_id":8}` {
			t.Errorf("dispatched %+v", next)
		}
		bench.Redeliver(run)
		bench.WantEffects(0, "select attempt from oprun.operation_runs where id = $1", next.ID)
		bench.Continue(next.ID).WantSucceeded()
	})

	t.Run("works for the types of a workspace, and without input", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, handling(map[string]func(context.Context, *jobs.Job[confirmation]) error{
			"orders.close": func(_ context.Context, job *jobs.Job[confirmation]) error {
				job.Failure("orders.open", "one is open")
				return nil
			},
		}))
		run := bench.Run("orders.close", nil)
		run.WantOutcome(oprun.PartiallySucceeded)
		run.WantFailures("orders.open")
	})

	t.Run("tells of a delivery that is refused", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirming())
		run := bench.Run("orders.confirm", json.RawMessage(`{"order": 7}`))
		run.WantVerdicts(dedupe.Rejected)
		bench.WantEffects(0, confirmedSeven)
	})
}
