package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/migrations"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

const (
	jobType   = "bench.job"
	countRuns = "select count(*) from oprun.operation_runs where outcome = 'succeeded'"
)

// oprunCatalog declares the one job type.
func oprunCatalog() (*catalog.Catalog, error) {
	return catalog.New(catalog.Catalog{Jobs: map[string]catalog.Job{
		jobType: {ScopeKind: dedupe.TenantScope, Identity: identityFields},
	}}, nil)
}

// oprunEmpty makes a ledger with a tenant, and a stream.
func oprunEmpty(ctx context.Context, s *stage) error {
	pool, err := pgxpool.New(ctx, s.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		_, err := migrations.Up(ctx, c.Conn())
		return err
	}); err != nil {
		return err
	}
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		return err
	}
	defer ledger.Close()
	_, tenant, err := ledger.Seed(ctx, "")
	if err != nil {
		return err
	}
	s.Tenant = tenant.ExternalID.String()
	js, err := s.jetStream()
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	_, err = events.DefaultTopology().Apply(ctx, js, false)
	return err
}

// oprunLoaded fills the stream, too.
func oprunLoaded(ctx context.Context, s *stage) error {
	if err := oprunEmpty(ctx, s); err != nil {
		return err
	}
	publish, err := oprunPublish(ctx, s)
	if err != nil {
		return err
	}
	return publish()
}

// withoutPageIndexes drops what serves lists and pages alone (migration 0003), to show what it costs.
func withoutPageIndexes(prepare func(context.Context, *stage) error) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		return errors.Join(prepare(ctx, s), s.execute(ctx,
			"drop index oprun.runs_succeeded, oprun.runs_unwell, oprun.runs_unwell_in_scope, oprun.runs_created"))
	}
}

// oprunEffects also makes the table of the effects.
func oprunEffects(ctx context.Context, s *stage) error {
	return errors.Join(oprunLoaded(ctx, s), makeEffects(ctx, s))
}

type (
	oprunJob     = jobs.Job[Payload]
	oprunHandler func(context.Context, *oprunJob) error
)

// ledger opens the ledger on a pool with so many connections.
func (s *stage) ledger(ctx context.Context, conns int) (*pgxpool.Pool, *oprun.Ledger, error) {
	pool, err := s.pool(ctx, conns)
	if err != nil {
		return nil, nil, err
	}
	ledger, err := oprun.Open(ctx, pool)
	return pool, ledger, err
}

// oprun opens the ledger, and connects to the stream.
func (s *stage) oprun(ctx context.Context, conns int) (*pgxpool.Pool, *oprun.Ledger, jetstream.JetStream, error) {
	pool, ledger, err := s.ledger(ctx, conns)
	if err != nil {
		return nil, nil, nil, err
	}
	js, err := s.jetStream()
	return pool, ledger, js, err
}

// oprunWork runs the worker, with a handler, until all jobs were handled and their ends handed in.
func oprunWork(conns int, handler oprunHandler) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		return s.oprunWorker(ctx, conns, handler, jobs.Config{Logger: slog.New(slog.DiscardHandler)})
	}
}

func (s *stage) oprunWorker(ctx context.Context, conns int, handler oprunHandler, config jobs.Config) (func() error, error) {
	_, ledger, js, err := s.oprun(ctx, conns)
	if err != nil {
		return nil, err
	}
	cat, err := oprunCatalog()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	count := countTo(s.Jobs, stop)
	mux := &jobs.Mux{}
	jobs.Handle(mux, jobType, func(ctx context.Context, job *oprunJob) error {
		defer count.handled()
		return handler(ctx, job)
	})
	config.NoSchedules = true
	worker, err := jobs.NewWorker(js, ledger, cat, mux, config)
	return func() error {
		defer stop()
		return worker.Run(ctx)
	}, err
}

func oprunNoop(context.Context, *oprunJob) error { return nil }

// oprunQueue has its effect in a transaction with those of many other jobs, and with the ends of all their runs.
func oprunQueue(_ context.Context, job *oprunJob) error {
	job.Queue(insertEffect, job.Args.N, job.Args.Note)
	return nil
}

// oprunCommit has its effect in a transaction of the job's own, with the end of the run.
func oprunCommit(ctx context.Context, job *oprunJob) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertEffect, job.Args.N, job.Args.Note)
		return err
	})
}
