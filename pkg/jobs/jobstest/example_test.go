package jobstest_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
	"oprun.example/pkg/oprun"
)

// What follows is a user's program: a type, its handler, and the table that it writes.

type confirmation struct {
	OrderID int `json:"order_id"`
}

func confirm(ctx context.Context, job *jobs.Job[confirmation]) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		job.Count("updated", 1)
		_, err := tx.Exec(ctx, "update orders set confirmed = confirmed + 1 where id = $1", job.Args.OrderID)
		return err
	})
}

// orders makes the table, with order 7.
func orders(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `create table if not exists orders (id int primary key, confirmed int not null default 0);
		insert into orders values (7) on conflict (id) do update set confirmed = 0`)
	return err
}

var types = must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
	"orders.confirm": {ScopeKind: dedupe.TenantScope, Identity: []string{"order_id"}},
	"orders.ship":    {ScopeKind: dedupe.TenantScope, Identity: []string{"order_id"}},
	"orders.close":   {ScopeKind: dedupe.WorkspaceScope, Identity: []string{}},
}}, nil))

// confirming has the handler of orders.confirm.
func confirming() *jobs.Mux {
	mux := &jobs.Mux{}
	jobs.Handle(mux, "orders.confirm", confirm)
	return mux
}

const confirmedSeven = "select confirmed from orders where id = 7"

// A job on a bench is published, claimed, run, committed and acknowledged, as everywhere. The body of the function is that of
// a test: in one, t is the *testing.T.
func ExampleBench_Run() {
	jobstest.Do(func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
		run := bench.Run("orders.confirm", confirmation{OrderID: 7})
		run.WantSucceeded()
		run.WantCounts(map[string]int64{"updated": 1})
		bench.WantEffects(1, confirmedSeven)
		fmt.Println(run.Outcome)
	})
	// Output:
	// succeeded
}

// The message comes again after the end, and changes nothing.
func ExampleBench_Redeliver() {
	jobstest.Do(func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
		run := bench.Run("orders.confirm", confirmation{OrderID: 7})
		bench.Redeliver(run)
		run.WantVerdicts(dedupe.Execute, dedupe.Completed)
		bench.WantEffects(1, confirmedSeven)
		fmt.Println("the handler was called", run.Handled, "time")
	})
	// Output:
	// the handler was called 1 time
}

// The message comes again while the handler's work waits for its commit, and once more after the end.
func ExampleBench_Overlap() {
	jobstest.Do(func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
		run := bench.Overlap("orders.confirm", confirmation{OrderID: 7})
		run.WantVerdicts(dedupe.Execute, dedupe.Busy, dedupe.Completed, dedupe.Completed)
		bench.WantEffects(1, confirmedSeven)
		fmt.Println("the handler was called", run.Handled, "time")
	})
	// Output:
	// the handler was called 1 time
}

// A second request for the same job, while the first is at work, is served by the run of the first.
func ExampleBench_Hold() {
	jobstest.Do(func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
		run := bench.Hold(jobstest.BeforeCommit, "orders.confirm", confirmation{OrderID: 7}, func() {
			second := bench.Run("orders.confirm", confirmation{OrderID: 7})
			second.WantVerdicts(dedupe.Duplicate)
			bench.WantEffects(0, confirmedSeven)
		})
		run.WantSucceeded()
		bench.WantEffects(1, confirmedSeven)
		fmt.Println(run.Outcome)
	})
	// Output:
	// succeeded
}

// Wherever the worker dies, another one recovers the job, and its effect is there once.
func ExampleBench_Crash() {
	jobstest.Do(func(t jobstest.TB) {
		for _, point := range []jobstest.Point{jobstest.BeforeHandler, jobstest.BeforeCommit, jobstest.BeforeAck} {
			bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
			run := bench.Crash(point, "orders.confirm", confirmation{OrderID: 7})
			run.WantSucceeded()
			bench.WantEffects(1, confirmedSeven)
			fmt.Println(point, run.Attempts)
		}
	})
	// Output:
	// before the handler [abandoned succeeded]
	// before the commit [abandoned succeeded]
	// before the acknowledgement [succeeded]
}

// The worker stands still until another has done its job. When it goes on, its effects are refused.
func ExampleBench_Freeze() {
	jobstest.Do(func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
		run := bench.Freeze(jobstest.BeforeHandler, "orders.confirm", confirmation{OrderID: 7})
		run.WantSucceeded()
		run.WantAttempts(oprun.AttemptFenced, oprun.AttemptSucceeded)
		bench.WantEffects(1, confirmedSeven)
		fmt.Println("the handler was called", run.Handled, "times")
	})
	// Output:
	// the handler was called 2 times
}

// The handler runs once, and its effects can be seen in their transaction. Then they are rolled back.
func ExampleBench_Try() {
	jobstest.Do(func(t jobstest.TB) {
		bench := jobstest.New(t, types, confirming(), jobstest.Config{Migrate: orders})
		run := bench.Try("orders.confirm", confirmation{OrderID: 7}, func(effects *jobstest.Effects) {
			effects.WantEffects(1, confirmedSeven)
		})
		run.WantSucceeded()
		run.WantCounts(map[string]int64{"updated": 1})
		bench.WantEffects(0, confirmedSeven)
		fmt.Println(run.Outcome)
	})
	// Output:
	// succeeded
}

// A handler's own dispatcher is the bench's. What it asks for waits, until the test has it run.
func ExampleBench_Continue() {
	jobstest.Do(func(t jobstest.TB) {
		mux := &jobs.Mux{}
		bench := jobstest.New(t, types, mux, jobstest.Config{Migrate: orders})
		jobs.Handle(mux, "orders.ship", func(ctx context.Context, job *jobs.Job[confirmation]) error {
			return job.Commit(ctx, func(tx pgx.Tx) error {
				_, err := bench.Dispatcher.DispatchTx(ctx, tx, job.Scope, "orders.confirm", job.Args)
				return err
			})
		})
		jobs.Handle(mux, "orders.confirm", confirm)

		run := bench.Run("orders.ship", confirmation{OrderID: 7})
		run.WantDispatched("orders.confirm")
		bench.WantEffects(0, confirmedSeven)
		bench.Continue(run.Dispatched[0].ID).WantSucceeded()
		bench.WantEffects(1, confirmedSeven)
		fmt.Println(run.Dispatched[0].Input)
	})
	// Output:
	// {"order_id":7}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
