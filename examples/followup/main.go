// Command followup indexes a customer's documents, while more of them come. A request that comes during a run is served by
// one more run behind it, for it may be about what that run has not seen; further requests join the one that waits.
// It needs DATABASE_URL and NATS_URL of a ledger with a schema and of a stream, as dev exec has them.
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
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

//go:embed jobs.yaml
var declared []byte

const index = "search.index"

type indexing struct {
	Customer string `json:"customer"`
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	must(pool.Exec(ctx, "create table documents (customer text, title text); create table search_index (customer text primary key, documents int)"))
	ledger := must(oprun.Open(ctx, pool))
	conn := must(nats.Connect(os.Getenv("NATS_URL")))
	_, seeded, err := ledger.Seed(ctx, "")
	tenant := dedupe.Tenant(must(seeded, err).ExternalID)

	types := must(catalog.Parse("jobs.yaml", declared, nil))
	engine := engine{pool: pool, reading: make(chan struct{}, 2), goOn: make(chan struct{})}
	mux := &jobs.Mux{}
	jobs.Handle(mux, index, engine.index)
	worker := must(jobs.NewWorker(must(jetstream.New(conn)), ledger, types, mux, jobs.Config{}))
	var working sync.WaitGroup
	working.Go(func() { check(worker.Run(ctx)) })

	// Document and request are one commit, so that no document goes without.
	dispatcher := jobs.NewDispatcher(ledger, types, conn, jobs.DispatcherConfig{})
	add := func(title string) (run jobs.Dispatched) {
		check(pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			must(tx.Exec(ctx, "insert into documents values ('Ada', $1)", title))
			run, err = dispatcher.DispatchTx(ctx, tx, tenant, index, indexing{Customer: "Ada"})
			return err
		}))
		dispatcher.Wake()
		return run
	}
	first := add("a letter")
	fmt.Println("the first document: a run is made:", first.Created)
	<-engine.reading // it has seen what there is
	second := add("a bill")
	fmt.Printf("the second, during that run: a run is made: %t; it waits behind the other: %t\n", second.Created, second.FollowUp)
	third := add("a will")
	fmt.Printf("the third: a run is made: %t; served by the one that waits: %t\n", third.Created, third.ID == second.ID)

	close(engine.goOn)
	fmt.Println("the first run has indexed", must(dispatcher.Wait(ctx, first.ID)).SummaryCounts["processed"])
	fmt.Println("the run behind it has indexed", must(dispatcher.Wait(ctx, second.ID)).SummaryCounts["processed"])
	stop()
	working.Wait()
}

// engine is a slow search engine.
type engine struct {
	pool    *pgxpool.Pool
	reading chan struct{} // one for each run that has read the documents
	goOn    chan struct{} // closed when runs may end
}

// index is the handler. It reads once, and then takes its time.
func (e *engine) index(ctx context.Context, job *jobs.Job[indexing]) error {
	var documents int
	if err := e.pool.QueryRow(ctx, "select count(*) from documents where customer = $1", job.Args.Customer).Scan(&documents); err != nil {
		return err
	}
	e.reading <- struct{}{}
	select {
	case <-e.goOn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return job.Commit(ctx, func(tx pgx.Tx) error {
		job.Count("processed", int64(documents))
		_, err := tx.Exec(ctx, `insert into search_index values ($1, $2)
			on conflict (customer) do update set documents = excluded.documents`, job.Args.Customer, documents)
		return err
	})
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
