package jobs_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

type confirmation struct {
	OrderID int `json:"order_id"`
}

// An order and the job that confirms it are one commit: both are there, or neither is.
func ExampleDispatcher_DispatchTx() {
	ctx := context.Background()
	shop := openShop(ctx, (*shop).confirm)
	defer shop.close()

	err := pgx.BeginFunc(ctx, shop.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into orders values (7, false)"); err != nil {
			return err
		}
		run, err := shop.dispatcher.DispatchTx(ctx, tx, shop.tenant, "orders.confirm", confirmation{OrderID: 7})
		fmt.Println("created:", run.Created)
		return err
	})
	if err != nil {
		log.Print(err)
		return
	}
	shop.dispatcher.Wake() // or leave it to the relay's next look
	fmt.Println(<-shop.confirmed)
	// Output:
	// created: true
	// order 7 is confirmed
}

// Many jobs are one transaction and a few statements. The second order 7 joins the first.
func ExampleDispatcher_DispatchMany() {
	ctx := context.Background()
	shop := openShop(ctx, (*shop).confirm)
	defer shop.close()

	runs, err := shop.dispatcher.DispatchMany(ctx, shop.tenant, "orders.confirm",
		confirmation{OrderID: 7}, confirmation{OrderID: 8}, confirmation{OrderID: 7})
	if err != nil {
		log.Print(err)
		return
	}
	for _, run := range runs {
		fmt.Println("created:", run.Created)
	}
	fmt.Println("the same run:", runs[2].ID == runs[0].ID)
	// Output:
	// created: true
	// created: true
	// created: false
	// the same run: true
}

// shop is a program with a table of orders, a dispatcher and, in the same process, a worker.
type shop struct {
	pool       *pgxpool.Pool
	conn       *nats.Conn
	types      *catalog.Catalog
	dispatcher *jobs.Dispatcher
	tenant     dedupe.Scope
	confirmed  chan string
	cleanups   []func()
}

func openShop(ctx context.Context, confirm func(*shop, context.Context, *jobs.Job[confirmation]) error) *shop {
	s := &shop{confirmed: make(chan string, 4)}
	conn := must(devstack.Server(s).Connect())
	s.Cleanup(conn.Close)
	s.conn = conn
	s.pool = must(pgxpool.New(ctx, devstack.Database(s)))
	s.Cleanup(s.pool.Close)
	must(s.pool.Exec(ctx, "create table orders (id int primary key, confirmed bool not null)"))
	ledger := must(oprun.Open(ctx, s.pool))
	s.Cleanup(ledger.Close)
	_, tenant, err := ledger.Seed(ctx, "")
	s.tenant = dedupe.Tenant(must(tenant, err).ExternalID)
	stream := must(jetstream.New(conn))
	must(events.DefaultTopology().Apply(ctx, stream, false))

	types := must(catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		"orders.confirm": {ScopeKind: dedupe.TenantScope, Identity: []string{"order_id"}},
	}}, nil))
	s.types = types
	s.dispatcher = jobs.NewDispatcher(ledger, types, conn, jobs.DispatcherConfig{})
	mux := &jobs.Mux{}
	jobs.Handle(mux, "orders.confirm", func(ctx context.Context, job *jobs.Job[confirmation]) error { return confirm(s, ctx, job) })
	s.work(ctx, must(jobs.NewWorker(stream, ledger, types, mux, jobs.Config{Logger: slog.New(slog.DiscardHandler)})))
	return s
}

func (s *shop) confirm(ctx context.Context, job *jobs.Job[confirmation]) error {
	err := job.Commit(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update orders set confirmed = true where id = $1", job.Args.OrderID)
		return err
	})
	if err == nil {
		s.confirmed <- fmt.Sprintf("order %d is confirmed", job.Args.OrderID)
	}
	return err
}

// work runs the worker until the shop closes.
func (s *shop) work(ctx context.Context, worker *jobs.Worker) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx) }()
	s.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.Errorf("worker: %v", err)
		}
	})
}

// Cleanup, Errorf, Fatalf and Helper let devstack take the shop for a test.
func (s *shop) Cleanup(f func())                { s.cleanups = append(s.cleanups, f) }
func (*shop) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (*shop) Fatalf(format string, args ...any) { log.Panicf(format, args...) }
func (*shop) Helper()                           {}

func (s *shop) close() {
	for len(s.cleanups) > 0 {
		last := len(s.cleanups) - 1
		s.cleanups[last]()
		s.cleanups = s.cleanups[:last]
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Panic(err)
	}
	return value
}
