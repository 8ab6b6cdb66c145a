// Command once issues one statement per customer and month, however often, by whichever way and however late it is asked
// to. It needs DATABASE_URL and NATS_URL of a ledger with a schema and of a stream, as dev exec has them.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

//go:embed jobs.yaml
var declared []byte

const issue = "statements.issue"

type statement struct {
	Customer string `json:"customer"`
	Month    string `json:"month"`
	Reason   string `json:"reason"`
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	must(pool.Exec(ctx, "create table statements (customer text, month text, reason text)")) // without a unique key: none is needed
	ledger := must(oprun.Open(ctx, pool))
	conn := must(nats.Connect(os.Getenv("NATS_URL")))
	stream := must(jetstream.New(conn))
	_, seeded, err := ledger.Seed(ctx, "")
	tenant := dedupe.Tenant(must(seeded, err).ExternalID)

	types := must(catalog.Parse("jobs.yaml", declared, nil))
	mux := &jobs.Mux{}
	jobs.Handle(mux, issue, func(ctx context.Context, job *jobs.Job[statement]) error {
		return job.Commit(ctx, func(tx pgx.Tx) error {
			job.Count("created", 1)
			_, err := tx.Exec(ctx, "insert into statements values ($1, $2, $3)", job.Args.Customer, job.Args.Month, job.Args.Reason)
			return err
		})
	})
	worker := must(jobs.NewWorker(stream, ledger, types, mux, jobs.Config{}))
	var working sync.WaitGroup
	working.Go(func() { check(worker.Run(ctx)) })

	dispatcher := jobs.NewDispatcher(ledger, types, conn, jobs.DispatcherConfig{})
	july := must(dispatcher.Dispatch(ctx, tenant, issue, statement{"Ada", "2026-07", "the month is over"}))
	must(dispatcher.Wait(ctx, july.ID))
	fmt.Println("July: a run is made:", july.Created)

	again := must(dispatcher.Dispatch(ctx, tenant, issue, statement{"Ada", "2026-07", "somebody pressed the button"}))
	fmt.Printf("July, asked for again: a run is made: %t; the same run, which has %s: %t\n", again.Created, again.Outcome, again.ID == july.ID)

	// As any program in any language would, without knowing of the ledger.
	subject := events.Subjects{}.Subject(tenant, issue)
	ack := must(stream.Publish(ctx, subject, []byte(`{"customer": "Ada", "month": "2026-07", "reason": "a bus told us"}`)))
	served := must(jobs.NewWaiter(stream, ledger, events.Subjects{}).WaitFor(ctx, events.Ack{Stream: ack.Stream, Seq: ack.Sequence}))
	fmt.Println("July, asked for by a message: the same run:", served.ID == july.ID)

	august := must(dispatcher.Dispatch(ctx, tenant, issue, statement{"Ada", "2026-08", "the month is over"}))
	must(dispatcher.Wait(ctx, august.ID))
	fmt.Println("August: a run is made:", august.Created)
	stop()
	working.Wait()
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
