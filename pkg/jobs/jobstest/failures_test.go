package jobstest_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
	"oprun.example/pkg/oprun"
)

// Every assertion fails its test when it is not so, and says what was expected and what the ledger has.
func TestAssertionsFail(t *testing.T) {
	t.Parallel()
	r := &recorder{T: t}
	bench := newBench(r, confirmingBy(func(_ context.Context, job *jobs.Job[confirmation]) error {
		if job.Attempt == 1 {
			return errors.New("the warehouse is closed")
		}
		job.Count("updated", 1)
		job.Failure("order.odd", "it is odd")
		return nil
	}))
	run := bench.Run("orders.confirm", seven)
	ledger := []string{
		run.ID.String(), "orders.confirm", "outcome: partially_succeeded", "counts: updated=1", "verdicts: execute, execute",
		"attempts: failed, succeeded", "handler called 2 times", "failure: order.odd ×1 it is odd", "attempt 1 failed: the warehouse is closed",
	}
	for says, assert := range map[string]func(){
		"outcome of run " + run.ID.String():         func() { run.WantOutcome(oprun.Failed) },
		"got partially_succeeded, want succeeded":   run.WantSucceeded,
		"got updated=1, want created=2":             func() { run.WantCounts(map[string]int64{"created": 2}) },
		"got order.odd, want order.even":            func() { run.WantFailures("order.even") },
		"got failed, succeeded, want none":          func() { run.WantAttempts() },
		"got execute, execute, want duplicate":      func() { run.WantVerdicts(dedupe.Duplicate) }, //nolint:dupword // two verdicts
		"dispatched jobs of run " + run.ID.String(): func() { run.WantDispatched("orders.ship") },
	} {
		assert()
		r.wantFailed(append(ledger, says)...)
	}
	bench.WantEffects(3, confirmedSeven)
	r.wantFailed("there are 0 effects, want 3", confirmedSeven)
	bench.Try("orders.confirm", seven, nil).WantSucceeded()
	r.wantFailed("got pending, want succeeded", "error: the warehouse is closed")
}

// A bench that cannot do what it is asked for says why.
func TestBenchFails(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		on   func(bench *jobstest.Bench)
		says []string
	}{
		"when a delivery is refused": {
			func(bench *jobstest.Bench) {
				bench.Run("orders.confirm", json.RawMessage(`{"order": 7}`)).WantSucceeded()
			},
			[]string{"a job of type orders.confirm", "verdicts: rejected", "rejected: identity_input_missing: ", "order_id"},
		},
		"when there is nothing to crash": {
			func(bench *jobstest.Bench) {
				bench.Crash(jobstest.BeforeCommit, "orders.confirm", json.RawMessage(`{"order": 7}`))
			},
			[]string{"never came to before the commit", "answered with rejected", "identity_input_missing"},
		},
		"when a worker would refuse what is to be tried": {
			func(bench *jobstest.Bench) { bench.Try("orders.confirm", json.RawMessage(`{"order": 7}`), nil) },
			[]string{"no worker would run this orders.confirm", "order_id"},
		},
		"when there is no handler": {
			func(bench *jobstest.Bench) { bench.Run("orders.ship", seven) }, []string{"no handler for orders.ship"},
		},
		"when there is no such type": {
			func(bench *jobstest.Bench) { bench.Run("orders.eat", seven) }, []string{`declares no job type "orders.eat"`},
		},
		"when there is no such run": {
			func(bench *jobstest.Bench) { bench.Continue(uuid.New()) }, []string{"the ledger has no run"},
		},
		"when the input is none": {
			func(bench *jobstest.Bench) { bench.Run("orders.confirm", json.RawMessage(`[7]`)) }, []string{"jobstest: publish"},
		},
		"when it is too late to freeze": {
			func(bench *jobstest.Bench) { bench.Freeze(jobstest.BeforeAck, "orders.confirm", seven) }, []string{"after its commit", "let it crash"},
		},
		"when a rehearsal is to be redelivered": {
			func(bench *jobstest.Bench) { bench.Redeliver(bench.Try("orders.confirm", seven, nil)) }, []string{"no message that could come again"},
		},
		"when effects cannot be counted": {
			func(bench *jobstest.Bench) { bench.WantEffects(1, "select count(*) from nothing") }, []string{`relation "nothing" does not exist`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantFailure(t, func(t jobstest.TB) { test.on(newBench(t, confirming())) }, test.says...)
		})
	}
}

// A ledger that forgets a run has its job run twice. The bench sees that.
func TestRedeliverSeesASecondEffect(t *testing.T) {
	t.Parallel()
	wantFailure(t, func(tb jobstest.TB) {
		bench := newBench(tb, confirming())
		run := bench.Run("orders.confirm", seven)
		check(bench.Pool.Exec(t.Context(), "delete from oprun.operation_runs where id = $1", run.ID))(t)
		bench.Redeliver(run)
		bench.WantEffects(2, confirmedSeven)
	}, "came again, and its handler was called once more", "verdicts: execute, execute")
}

// A handler that does not return fails the test, which says how far it came.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	wantFailure(t, func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirmingBy(func(ctx context.Context, _ *jobs.Job[confirmation]) error {
			<-ctx.Done()
			return ctx.Err()
		}), jobstest.Config{Migrate: orders, Patience: 2 * time.Second})
		bench.Run("orders.confirm", seven)
	}, "waited 2s for the job to be done with", "outcome: pending", "verdicts: execute", "handler called once")
}

// So does one whose successor does not come to an end, while the frozen worker has locked what it has written.
func TestFreezeEnds(t *testing.T) {
	t.Parallel()
	wantFailure(t, func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirmingBy(func(ctx context.Context, job *jobs.Job[confirmation]) error {
			if job.Attempt == 1 {
				return confirm(ctx, job)
			}
			<-ctx.Done()
			return ctx.Err()
		}), jobstest.Config{Migrate: orders, Patience: 2 * time.Second})
		bench.Freeze(jobstest.BeforeCommit, "orders.confirm", seven)
	}, "waited 2s for another worker to take over run", "verdicts: execute, execute")
}

// A failing migration is the user's to see.
func TestMigrateFails(t *testing.T) {
	t.Parallel()
	wantFailure(t, func(t jobstest.TB) {
		jobstest.New(t, types, confirming(), jobstest.Config{Migrate: func(context.Context, *pgx.Conn) error {
			return errors.New("there is a comma too many")
		}})
	}, "jobstest: migrate: there is a comma too many")
}
