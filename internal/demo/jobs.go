package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/internal/remote"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// The demo's job types, by where their effect is made.
const (
	rowType   = "demo.row"   // a Go handler: a row, in the run's own transaction
	orderType = "demo.order" // an http handler: an order in the shop, under the idempotency key
	fileType  = "demo.file"  // an exec handler: a file named after the run
)

// What a consumer process finds in its environment, beside the stack's addresses.
const (
	shopEnv = "OPRUN_DEMO_SHOP"
	dirEnv  = "OPRUN_DEMO_DIR"
)

// input is the input of all three types. Key is declared as the identity; Twin is not.
type input struct {
	Key  string `json:"key"`
	Twin bool   `json:"twin,omitempty"` // another request of this identity is on its way: wait for its verdict
}

func newCatalog() (*catalog.Catalog, error) {
	job := catalog.Job{ScopeKind: dedupe.TenantScope, Identity: []string{"key"}, Lease: lease}
	return catalog.New(catalog.Catalog{
		Jobs: map[string]catalog.Job{rowType: job, orderType: job, fileType: job},
		Handlers: map[string]catalog.Handler{
			orderType: {HTTP: "${" + shopEnv + "}"},
			fileType:  {Exec: []string{"sh", "-c", `cat > "$` + dirEnv + `/$OPRUN_RUN_ID"`}},
		},
	}, nil)
}

// Worker is a consumer process of the demo: it works until the context ends, and writes its counters to standard
// output as it goes.
func Worker(ctx context.Context, log *slog.Logger) error {
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		return err
	}
	defer ledger.Close()
	conn, err := nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	cat, err := newCatalog()
	if err != nil {
		return err
	}
	mux := &jobs.Mux{}
	jobs.Handle(mux, rowType, writeRow(pool))
	if err := remote.Register(mux, cat.Handlers, remote.Config{}); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	worker, err := jobs.NewWorker(js, ledger, cat, mux, jobs.Config{Registry: registry, Logger: log, NoSchedules: true})
	if err != nil {
		return err
	}
	stopTelling := tell(registry, json.NewEncoder(os.Stdout))
	defer stopTelling()
	return worker.Run(ctx)
}

// writeRow is the Go handler: one row in the run's own transaction. A job that has a twin first waits until the
// twin's delivery has its verdict, so that the two requests really meet.
func writeRow(pool *pgxpool.Pool) func(context.Context, *jobs.Job[input]) error {
	return func(ctx context.Context, job *jobs.Job[input]) error {
		if job.Args.Twin {
			if err := awaitTwin(ctx, pool, job.RunID); err != nil {
				return err
			}
		}
		return job.Commit(ctx, func(tx pgx.Tx) error {
			job.Count("created", 1)
			_, err := tx.Exec(ctx, "insert into effects values ($1, $2)", job.RunID, job.Attempt)
			return err
		})
	}
}

func awaitTwin(ctx context.Context, pool *pgxpool.Pool, runID [16]byte) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		var met bool
		err := pool.QueryRow(ctx, "select exists (select from oprun.operation_run_deliveries where run_id = $1)", runID).Scan(&met)
		if err != nil || met {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the twin: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
