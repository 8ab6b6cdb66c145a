// Command transaction writes an order and the job that confirms it in one transaction: both are there, or neither is.
// It needs DATABASE_URL and NATS_URL of a ledger with a schema and of a stream, as dev exec has them.
package main

import (
	"context"
	"errors"
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

const (
	table   = "create table orders (id int primary key, confirmed bool not null default false)"
	confirm = "orders.confirm"
)

type confirmation struct {
	OrderID int `json:"order_id"`
}

func declare() *catalog.Catalog {
	return must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		confirm: {ScopeKind: dedupe.TenantScope, Identity: []string{"order_id"}},
	}}, nil))
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	must(pool.Exec(ctx, table))
	ledger := must(oprun.Open(ctx, pool)) // on the shop's own database: that is what makes one commit of the two
	conn := must(nats.Connect(os.Getenv("NATS_URL")))
	_, tenant, err := ledger.Seed(ctx, "")
	shop := shop{pool: pool, ledger: ledger, tenant: dedupe.Tenant(must(tenant, err).ExternalID)}

	types := declare()
	shop.dispatcher = jobs.NewDispatcher(ledger, types, conn, jobs.DispatcherConfig{})

	placed := must(shop.place(ctx, 1, func() error { return nil }))
	fmt.Println("order 1 is placed")
	_, err = shop.place(ctx, 2, func() error { return errors.New("the card was refused") })
	fmt.Println("order 2 is not:", err)
	shop.count(ctx)

	// The worker may as well be another program, and begin much later.
	mux := &jobs.Mux{}
	jobs.Handle(mux, confirm, shop.confirm)
	worker := must(jobs.NewWorker(must(jetstream.New(conn)), ledger, types, mux, jobs.Config{}))
	var working sync.WaitGroup
	working.Go(func() { check(worker.Run(ctx)) })

	run := must(shop.dispatcher.Wait(ctx, placed.ID))
	fmt.Println("the run of order 1 has", run.Outcome, "and updated", run.SummaryCounts["updated"])
	stop()
	working.Wait()
}

// shop takes orders.
type shop struct {
	pool       *pgxpool.Pool
	ledger     *oprun.Ledger
	dispatcher *jobs.Dispatcher
	tenant     dedupe.Scope
}

// place writes an order and asks for its confirmation, both in the transaction that the payment decides about.
func (s *shop) place(ctx context.Context, id int, pay func() error) (run jobs.Dispatched, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into orders values ($1)", id); err != nil {
			return err
		}
		if run, err = s.dispatcher.DispatchTx(ctx, tx, s.tenant, confirm, confirmation{OrderID: id}); err != nil {
			return err
		}
		return pay()
	})
	if err == nil {
		s.dispatcher.Wake() // or leave it to the relay's next look
	}
	return run, err
}

// confirm is the handler: its update and the end of the run are one commit, too.
func (s *shop) confirm(ctx context.Context, job *jobs.Job[confirmation]) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		job.Count("updated", 1)
		_, err := tx.Exec(ctx, "update orders set confirmed = true where id = $1", job.Args.OrderID)
		return err
	})
}

func (s *shop) count(ctx context.Context) {
	var orders int
	check(s.pool.QueryRow(ctx, "select count(*) from orders").Scan(&orders))
	runs := must(s.ledger.Runs(ctx, oprun.RunFilter{Type: confirm}))
	fmt.Printf("the database has %d order and %d run\n", orders, len(runs))
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
