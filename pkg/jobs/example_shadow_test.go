package jobs_test

import (
	"context"
	"fmt"
	"iter"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// Orders were confirmed; a new version of the handler counts what it does. A shadow plays the same messages with it: the
// differences are shown, the orders stay as they are.
func ExampleShadow() {
	ctx := context.Background()
	shop := openShop(ctx, (*shop).confirm)
	defer shop.close()
	must(shop.dispatcher.DispatchMany(ctx, shop.tenant, "orders.confirm", confirmation{OrderID: 7}, confirmation{OrderID: 8}))
	fmt.Println("confirmed:", len([]string{<-shop.confirmed, <-shop.confirmed}))

	mux := &jobs.Mux{}
	jobs.Handle(mux, "orders.confirm", func(ctx context.Context, job *jobs.Job[confirmation]) error {
		return job.Commit(ctx, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, "insert into orders values ($1, true) on conflict do nothing", job.Args.OrderID)
			job.Count("created", tag.RowsAffected())
			return err
		})
	})
	ledger := must(oprun.Open(ctx, shop.pool))
	defer ledger.Close()
	stream := must(jetstream.New(shop.conn))
	report, err := try(ctx, ledger, shop.types, mux, events.Read(ctx, stream, "JOBS", events.Range{}))
	if err != nil {
		log.Panic(err)
	}
	for _, d := range report.Differences {
		fmt.Println(d.Type, "differs in", d.What, d.Ledger.Counts, d.Shadow.Counts)
	}
	orders := must(shop.pool.Exec(ctx, "select from orders"))
	fmt.Println("orders:", orders.RowsAffected())
	// Output:
	// confirmed: 2
	// orders.confirm differs in [counts] map[] map[created:1]
	// orders.confirm differs in [counts] map[] map[created:1]
	// orders: 0
}

// try plays records with handlers of which nobody knows yet what they do, and tells what would have come of them.
func try(ctx context.Context, ledger *oprun.Ledger, types *catalog.Catalog, mux *jobs.Mux, records iter.Seq2[events.Message, error]) (oprun.ShadowReport, error) {
	shadow, err := jobs.NewShadow(ledger, types, mux, jobs.ShadowConfig{Name: "next", Fresh: true})
	if err != nil {
		return oprun.ShadowReport{}, err
	}
	if _, err := shadow.Run(ctx, records); err != nil { // events.Records(file), or events.Read(…) of a stream
		return oprun.ShadowReport{}, err
	}
	made, err := ledger.OpenShadow(ctx, "next")
	if err != nil {
		return oprun.ShadowReport{}, err
	}
	defer made.Close()
	return made.Diff(ctx, 100) // or: consumer shadow diff next
}
