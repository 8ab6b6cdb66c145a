package jobstest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
	"oprun.example/pkg/oprun"
)

func TestTry(t *testing.T) {
	t.Parallel()

	t.Run("shows what is queued and rolls it back", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(queueConfirm))
		looked := false
		run := bench.Try("orders.confirm", seven, func(effects *jobstest.Effects) {
			looked = true
			effects.WantEffects(1, confirmedSeven)
		})
		if !looked {
			t.Error("the effects were not shown")
		}
		run.WantSucceeded()
		run.WantCounts(map[string]int64{"updated": 1})
		run.WantAttempts(oprun.AttemptSucceeded)
		bench.WantEffects(0, confirmedSeven)
		bench.WantEffects(0, "select count(*) from oprun.operation_runs")
	})

	t.Run("tells of the jobs that are dispatched in the transaction", func(t *testing.T) {
		t.Parallel()
		mux := &jobs.Mux{}
		bench := newBench(t, mux)
		jobs.Handle(mux, "orders.confirm", func(ctx context.Context, job *jobs.Job[confirmation]) error {
			return job.Commit(ctx, func(tx pgx.Tx) error {
				_, err := bench.Dispatcher.DispatchTx(ctx, tx, job.Scope, "orders.ship", job.Args)
				return err
			})
		})
		run := bench.Try("orders.confirm", seven, nil)
		run.WantDispatched("orders.ship")
		bench.WantEffects(0, "select count(*) from oprun.operation_runs")
	})

	for name, test := range map[string]struct {
		handle   func(context.Context, *jobs.Job[confirmation]) error
		outcome  oprun.Outcome
		failures []string
		attempts []oprun.AttemptResult
	}{
		"a success with failures": {
			func(_ context.Context, job *jobs.Job[confirmation]) error {
				job.Failure("order.odd", "it is odd")
				return nil
			}, oprun.PartiallySucceeded, []string{"order.odd"}, []oprun.AttemptResult{oprun.AttemptSucceeded},
		},
		"an error, to be tried again": {
			func(context.Context, *jobs.Job[confirmation]) error { return errors.New("no") },
			oprun.Pending,
			[]string{"handler.error"},
			[]oprun.AttemptResult{oprun.AttemptFailed},
		},
		"a failure for good": {
			func(context.Context, *jobs.Job[confirmation]) error { return jobs.Permanent(errors.New("no")) },
			oprun.Failed,
			[]string{"handler.error"},
			[]oprun.AttemptResult{oprun.AttemptFailed},
		},
		"a block": {
			func(context.Context, *jobs.Job[confirmation]) error {
				return jobs.Blocked("order.locked", "it is locked")
			},
			oprun.Blocked,
			[]string{"order.locked"},
			[]oprun.AttemptResult{oprun.AttemptFailed},
		},
		"a panic": {
			func(context.Context, *jobs.Job[confirmation]) error { panic("no") },
			oprun.Pending,
			[]string{"handler.panicked"},
			[]oprun.AttemptResult{oprun.AttemptPanicked},
		},
		"a snooze": {
			func(context.Context, *jobs.Job[confirmation]) error { return jobs.Snooze(time.Hour) },
			oprun.Pending, nil, nil,
		},
		"a queued statement that fails": {
			func(_ context.Context, job *jobs.Job[confirmation]) error {
				job.Queue("insert into orders values (7)")
				return nil
			}, oprun.Pending, []string{"handler.error"}, []oprun.AttemptResult{oprun.AttemptFailed},
		},
		"an error after the commit": {
			func(ctx context.Context, job *jobs.Job[confirmation]) error {
				return errors.Join(confirm(ctx, job), errors.New("too late to matter"))
			}, oprun.Succeeded, nil, []oprun.AttemptResult{oprun.AttemptSucceeded},
		},
	} {
		t.Run("tells of "+name, func(t *testing.T) {
			t.Parallel()
			bench := newBench(t, confirmingBy(test.handle))
			run := bench.Try("orders.confirm", seven, nil)
			run.WantOutcome(test.outcome)
			run.WantFailures(test.failures...)
			run.WantAttempts(test.attempts...)
			bench.WantEffects(0, confirmedSeven)
		})
	}
}
