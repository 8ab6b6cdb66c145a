package jobstest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
	"oprun.example/pkg/oprun"
)

// grades are the ways in which a handler can have its effects.
var grades = map[string]func(context.Context, *jobs.Job[confirmation]) error{
	"Commit": confirm,
	"Queue":  queueConfirm,
}

// Wherever the worker dies and whatever its handler is made of, the effect is there once (I2).
func TestCrash(t *testing.T) {
	t.Parallel()
	for grade, handle := range grades {
		for _, point := range []jobstest.Point{jobstest.BeforeHandler, jobstest.BeforeCommit, jobstest.BeforeAck} {
			t.Run(fmt.Sprintf("%s with %s", point, grade), func(t *testing.T) {
				t.Parallel()
				mux := confirmingBy(handle)
				mux.Limit("orders.confirm", 1) // the dead do not count
				bench := newBench(t, mux)
				run := bench.Crash(point, "orders.confirm", seven)
				run.WantSucceeded()
				run.WantCounts(map[string]int64{"updated": 1})
				bench.WantEffects(1, confirmedSeven)
				bench.Redeliver(run)
				bench.WantEffects(1, confirmedSeven)
			})
		}
	}

	t.Run("before a retry is known loses the attempt and not the job", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(func(ctx context.Context, job *jobs.Job[confirmation]) error {
			if job.Attempt < 3 {
				return errors.New("not yet")
			}
			return confirm(ctx, job)
		}))
		run := bench.Crash(jobstest.BeforeCommit, "orders.confirm", seven)
		run.WantAttempts(oprun.AttemptAbandoned, oprun.AttemptFailed, oprun.AttemptSucceeded)
		bench.WantEffects(1, confirmedSeven)
	})

	t.Run("before the message of a retry is acknowledged loses nothing", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(func(ctx context.Context, job *jobs.Job[confirmation]) error {
			if job.Attempt == 1 {
				return jobs.Retry(errors.New("not yet"), time.Hour)
			}
			return confirm(ctx, job)
		}))
		run := bench.Crash(jobstest.BeforeAck, "orders.confirm", seven)
		run.WantSucceeded()
		run.WantAttempts(oprun.AttemptFailed, oprun.AttemptSucceeded)
		run.WantVerdicts(dedupe.Execute, dedupe.NotDue, dedupe.Execute)
		bench.WantEffects(1, confirmedSeven)
	})

	t.Run("calls no handler that the worker did not live to call", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirming())
		run := bench.Crash(jobstest.BeforeHandler, "orders.confirm", seven)
		if run.Handled != 1 {
			t.Errorf("the handler was called %d times, want once", run.Handled)
		}
	})
}

// A frozen worker that goes on when another has done its job is refused (I9).
func TestFreeze(t *testing.T) {
	t.Parallel()
	for grade, handle := range grades {
		for _, point := range []jobstest.Point{jobstest.BeforeHandler, jobstest.BeforeCommit} {
			t.Run(fmt.Sprintf("%s with %s", point, grade), func(t *testing.T) {
				t.Parallel()
				mux := confirmingBy(handle)
				mux.Limit("orders.confirm", 1)
				bench := newBench(t, mux)
				run := bench.Freeze(point, "orders.confirm", seven)
				run.WantSucceeded()
				run.WantAttempts(oprun.AttemptFenced, oprun.AttemptSucceeded)
				bench.WantEffects(1, confirmedSeven)
				bench.Redeliver(run)
			})
		}
	}

	t.Run("refuses the failure of the frozen one, too", func(t *testing.T) {
		t.Parallel()
		bench := newBench(t, confirmingBy(func(ctx context.Context, job *jobs.Job[confirmation]) error {
			if job.Attempt == 1 {
				return jobs.Permanent(errors.New("it cannot be"))
			}
			return confirm(ctx, job)
		}))
		run := bench.Freeze(jobstest.BeforeCommit, "orders.confirm", seven)
		run.WantSucceeded()
		bench.WantEffects(1, confirmedSeven)
	})
}

// What a test does while a worker is held is no business of that worker's.
func TestHold(t *testing.T) {
	t.Parallel()
	for _, point := range []jobstest.Point{jobstest.BeforeHandler, jobstest.BeforeCommit, jobstest.BeforeAck} {
		t.Run(string(point), func(t *testing.T) {
			t.Parallel()
			bench := newBench(t, confirming())
			run := bench.Hold(point, "orders.confirm", seven, func() {
				bench.Run("orders.confirm", confirmation{OrderID: 8}).WantSucceeded()
			})
			run.WantSucceeded()
			run.WantVerdicts(dedupe.Execute)
			run.WantAttempts(oprun.AttemptSucceeded)
			run.WantDispatched()
			bench.WantEffects(1, confirmedSeven)
		})
	}

	t.Run("shows that a second request waits for a run of its own", func(t *testing.T) {
		t.Parallel()
		following := check(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
			"orders.confirm": {ScopeKind: dedupe.TenantScope, Identity: []string{"order_id"}, OnDuplicate: catalog.FollowUp},
		}}, nil))(t)
		bench := jobstest.New(t, following, confirming(), jobstest.Config{Migrate: orders})
		var second *jobstest.Run
		bench.Hold(jobstest.BeforeCommit, "orders.confirm", seven, func() {
			second = bench.Run("orders.confirm", seven)
			second.WantVerdicts(dedupe.FollowUp)
			second.WantOutcome(oprun.Pending)
		}).WantSucceeded()
		bench.WantEffects(1, confirmedSeven)
		bench.Continue(second.ID).WantSucceeded()
		bench.WantEffects(2, confirmedSeven)
	})
}
