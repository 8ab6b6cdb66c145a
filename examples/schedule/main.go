// Command schedule runs two workers of a catalogue with schedules, until one of them has fired twice: each time it makes one
// run for each active tenant. It needs DATABASE_URL and NATS_URL of a ledger with a schema and of a stream, as dev exec has
// them.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"os"
	"sync"
	"time"
	_ "time/tzdata" // time zones, on machines that have none

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

//go:embed jobs.yaml
var declared []byte

type report struct {
	Kind string `json:"kind"`
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	must(pool.Exec(ctx, "create table reports (run_id uuid, tenant uuid, kind text)"))
	ledger := must(oprun.Open(ctx, pool))
	stream := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL")))))
	addTenants(ctx, ledger)

	types := must(catalog.Parse("jobs.yaml", declared, nil))
	for _, day := range []string{"2027-03-27", "2027-03-28"} { // the clocks go forward on the 28th
		fmt.Println("reports.nightly fires at", types.Schedules["reports.nightly"].Next(must(time.Parse(time.DateOnly, day))))
	}

	sent := make(chan struct{}, 100)
	mux := &jobs.Mux{}
	jobs.Handle(mux, "reports.send", func(ctx context.Context, job *jobs.Job[report]) error {
		err := job.Commit(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into reports values ($1, $2, $3)", job.RunID, job.Scope.ID, job.Args.Kind)
			return err
		})
		if err == nil && job.Args.Kind == "pulse" {
			sent <- struct{}{}
		}
		return err
	})
	var working sync.WaitGroup
	for range 2 { // any number of workers makes one run of each fire time and tenant
		worker := must(jobs.NewWorker(stream, ledger, types, mux, jobs.Config{}))
		working.Go(func() { check(worker.Run(ctx)) })
	}
	for range 4 { // two tenants, two fire times
		<-sent
	}
	show(ctx, pool)
	stop()
	working.Wait()
}

// addTenants sees to it that there are two active tenants, and one that is suspended.
func addTenants(ctx context.Context, ledger *oprun.Ledger) {
	workspace, _, err := ledger.Seed(ctx, "")
	check(err)
	_, _, err = ledger.AddTenant(ctx, workspace.ID, "second")
	check(err)
	away, _, err := ledger.AddTenant(ctx, workspace.ID, "away")
	check(err)
	must(ledger.Suspend(ctx, away.ExternalID))
}

// show tells what the schedule's first two fire times have made.
func show(ctx context.Context, pool *pgxpool.Pool) {
	rows := must(pool.Query(ctx, `select count(*) || ' runs, for ' || count(distinct tenant_id) || ' tenants'
		from oprun.operation_runs_view where initiator_name = 'schedule reports.pulse'
		group by context ->> 'fire_time' order by context ->> 'fire_time' limit 2`))
	for _, fired := range must(pgx.CollectRows(rows, pgx.RowTo[string])) {
		fmt.Println("reports.pulse has fired:", fired)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
