// Command assignments fetches the assignments of policies from a directory and restores them, with jobs that succeed in
// part, and with an adapter for housekeeping: it ends a run whose work was done while its answer was lost. It needs
// DATABASE_URL and NATS_URL of a ledger with a schema and of a stream, as dev exec has them.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
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

func main() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	pool := must(pgxpool.New(ctx, os.Getenv("DATABASE_URL")))
	must(pool.Exec(ctx, table))
	ledger := must(oprun.Open(ctx, pool))
	conn := must(nats.Connect(os.Getenv("NATS_URL")))
	workspace, seeded, err := ledger.Seed(ctx, "")
	check(err)
	tenant := dedupe.Tenant(seeded.ExternalID)

	far := newDirectory()
	types := must(catalog.Parse("jobs.yaml", declared, nil))
	worker := must(jobs.NewWorker(must(jetstream.New(conn)), ledger, types, handle(far), jobs.Config{
		Adapters: map[string]jobs.Adapter{restore: adapter{far}},
	}))
	var working sync.WaitGroup
	working.Go(func() { check(worker.Run(ctx)) })
	dispatcher := jobs.NewDispatcher(ledger, types, conn, jobs.DispatcherConfig{})

	// Two of three policies can be read.
	fetched := must(dispatcher.Dispatch(ctx, tenant, fetch, fetchInput{ConnectionID: "c-1"}))
	show("fetch", must(dispatcher.Wait(ctx, fetched.ID)))

	// Two of three can be restored.
	backup := map[string][]string{"compliance": {"sales"}, "encryption": {"everyone"}, "payroll": {"finance"}}
	restored := must(dispatcher.Dispatch(ctx, tenant, restore, restoreInput{"monday", backup}))
	show("restore", must(dispatcher.Wait(ctx, restored.ID)))

	// The same again, but the answer is lost: the run is to try again in an hour.
	far.loseAnswers()
	lost := must(dispatcher.Dispatch(ctx, tenant, restore, restoreInput{"tuesday", backup}))
	fmt.Println("restore: answer lost, the run is", awaitRetry(ctx, ledger, lost.ID).Status)

	// Housekeeping does not wait: it asks the adapter. It does so every ten minutes by itself, and whenever it is asked to.
	kept := must(dispatcher.Dispatch(ctx, dedupe.Workspace(workspace.ID), catalog.ReconcileAdapterRuns, nil))
	must(dispatcher.Wait(ctx, kept.ID))
	show("restore, after housekeeping", must(dispatcher.Wait(ctx, lost.ID)))
	stop()
	working.Wait()
}

func show(what string, run oprun.Run) {
	fmt.Printf("%s: %s after attempt %d, counts %v\n", what, run.Outcome, run.Attempt, run.SummaryCounts)
	for _, failure := range run.FailureSummary {
		fmt.Printf("  %d × %s: %s\n", failure.Count, failure.Code, failure.Message)
	}
}

// awaitRetry returns the run when its first attempt has failed, and it waits for the next.
func awaitRetry(ctx context.Context, ledger *oprun.Ledger, id uuid.UUID) oprun.Run {
	for look := time.NewTicker(20 * time.Millisecond); ; <-look.C {
		if run := must(ledger.Run(ctx, id)); run.Status == "queued" && run.Attempt == 1 {
			return run
		}
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
