// Command minimal is a worker of one job type. It needs DATABASE_URL and NATS_URL, and what these make once:
//
//	consumer migrate up; consumer topology apply --dev; consumer seed
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

type greeting struct {
	Name string `json:"name"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	must(pool.Exec(ctx, "create table if not exists greetings (run_id uuid, name text)"))
	ledger := must(oprun.Open(ctx, pool))
	stream := must(jetstream.New(must(nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1)))))

	// Two requests to greet the same name are one job while the first is queued or running.
	types := must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		"greetings.send": {ScopeKind: dedupe.TenantScope, Identity: []string{"name"}},
	}}, nil))
	mux := &jobs.Mux{}
	jobs.Handle(mux, "greetings.send", func(ctx context.Context, job *jobs.Job[greeting]) error {
		// The row and the end of the run are one commit: the row is there exactly once.
		return job.Commit(ctx, func(tx pgx.Tx) error {
			job.Count("created", 1)
			_, err := tx.Exec(ctx, "insert into greetings values ($1, $2)", job.RunID, job.Args.Name)
			return err
		})
	})
	worker := must(jobs.NewWorker(stream, ledger, types, mux, jobs.Config{}))
	if err := worker.Run(ctx); err != nil {
		log.Fatal(err)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
