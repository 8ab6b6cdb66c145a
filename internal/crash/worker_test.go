//go:build failpoint

package crash

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/failpoint"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// The shortest times, for stories of what happens when they end.
const (
	shortLease   = 3 * time.Second
	shortAckWait = 2 * time.Second
)

// The job types. Both do the same; a request for one whose owner is running is served by that, for the other it waits.
const (
	jobType    = "crash.write"
	followType = "crash.follow"
)

// leaseOf in the environment is another lease than the shortest.
const leaseOf = "OPRUN_CRASH_TEST_LEASE"

// args are the input of a job. The key is its identity.
type args struct {
	Key    string `json:"key"`
	Fails  bool   `json:"fails"`  // its first attempt does
	Queues bool   `json:"queues"` // its effect is queued, and comes with those of others
	Holds  bool   `json:"holds"`  // its effect takes so long that those of others come together behind it
}

// declare is the catalogue of the worker processes, with attempts to spare for the faults.
func declare(lease time.Duration) (*catalog.Catalog, error) {
	job := catalog.Job{
		ScopeKind: dedupe.TenantScope, Identity: []string{"key"}, Timeout: time.Minute, Lease: lease,
		Retry: catalog.Retry{MaxAttempts: 20, Initial: 10 * time.Millisecond, Max: 50 * time.Millisecond},
	}
	follows := job
	follows.OnDuplicate = catalog.FollowUp
	return catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{jobType: job, followType: follows}}, nil)
}

// write is the handler. It does not look at its context: what keeps a late one from doing harm is the ledger alone.
func write(ctx context.Context, job *jobs.Job[args]) error {
	if job.Args.Queues {
		return queue(job)
	}
	ctx = context.WithoutCancel(ctx)
	if job.Args.Fails && job.Attempt == 1 {
		return errors.New("the first attempt fails")
	}
	if err := failpoint.Hit(failpoint.RunDuring); err != nil {
		return err
	}
	return job.Commit(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "insert into effects values ($1, $2)", job.RunID, job.Attempt)
		return err
	})
}

// queue is the handler of jobs that end together with others: on the next quarter of a second, and while the effect of
// the one that holds them is being carried out.
func queue(job *jobs.Job[args]) error {
	const quarter = time.Second / 4
	if job.Args.Holds {
		job.Queue("select pg_sleep(0.7)") // a group's statement may take a second
	} else {
		<-time.After(quarter - time.Duration(time.Now().UnixNano())%quarter)
	}
	job.Queue("insert into effects values ($1, $2)", job.RunID, job.Attempt)
	if job.Args.Fails && job.Attempt == 1 {
		job.Queue("select 1 / $1::int", 0)
	}
	return nil
}

// beWorker is the main of a worker process: it works until SIGTERM.
func beWorker() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lease := shortLease
	if text := os.Getenv(leaseOf); text != "" {
		var err error
		if lease, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	declared, err := declare(lease)
	if err != nil {
		return err
	}
	conn, err := nats.Connect(os.Getenv("NATS_URL"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	defer pool.Close()
	return work(ctx, js, pool, declared)
}

func work(ctx context.Context, js jetstream.JetStream, pool *pgxpool.Pool, declared *catalog.Catalog) error {
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		return err
	}
	defer ledger.Close()
	mux := &jobs.Mux{}
	jobs.Handle(mux, jobType, write)
	jobs.Handle(mux, followType, write)
	worker, err := jobs.NewWorker(js, ledger, declared, mux, jobs.Config{Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		return err
	}
	return worker.Run(ctx)
}
