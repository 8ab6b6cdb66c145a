package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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

// oprunEffects also makes the table of the effects.
func oprunEffects(ctx context.Context, s *stage) error {
	return errors.Join(oprunLoaded(ctx, s), makeEffects(ctx, s))
}

// oprunPublish publishes all jobs as fast as the stream takes them.
func oprunPublish(ctx context.Context, s *stage) (func() error, error) {
	js, err := s.jetStream()
	if err != nil {
		return nil, err
	}
	publisher := events.NewPublisher(js, events.PublisherConfig{})
	return func() error {
		pending := make(chan *events.Pending, s.Jobs) // all of them: the publisher itself bounds what is under way
		failed := make(chan error, 1)
		go func() {
			defer close(failed)
			for p := range pending {
				if _, err := p.Wait(ctx); err != nil {
					failed <- err
					return
				}
			}
		}()
		err := publishAll(ctx, publisher, s, pending)
		close(pending)
		return errors.Join(err, <-failed)
	}, nil
}

func publishAll(ctx context.Context, publisher *events.Publisher, s *stage, pending chan<- *events.Pending) error {
	for n := range s.Jobs {
		input, err := json.Marshal(payloadOf(n))
		if err != nil {
			return err
		}
		identity, err := s.identity(input)
		if err != nil {
			return err
		}
		p, err := publisher.PublishAsync(ctx, events.Request{Identity: identity, Input: input})
		if err != nil {
			return err
		}
		pending <- p
	}
	return nil
}

func (s *stage) identity(input []byte) (dedupe.Identity, error) {
	tenant, err := uuid.Parse(s.Tenant)
	if err != nil {
		return dedupe.Identity{}, err
	}
	return dedupe.Rule{Inputs: identityFields}.Identify(dedupe.Tenant(tenant), jobType, input, dedupe.Occurrence{})
}

type (
	oprunJob     = jobs.Job[payload]
	oprunHandler func(context.Context, *oprunJob) error
)

// oprunWork runs the worker, with a handler, until all jobs were handled and their ends handed in.
func oprunWork(conns int, handler oprunHandler) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, err := s.pool(ctx, conns)
		if err != nil {
			return nil, err
		}
		ledger, err := oprun.Open(ctx, pool)
		if err != nil {
			return nil, err
		}
		js, err := s.jetStream()
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
		worker, err := jobs.NewWorker(js, ledger, cat, mux, jobs.Config{Logger: slog.New(slog.DiscardHandler), NoSchedules: true})
		return func() error {
			defer stop()
			return worker.Run(ctx)
		}, err
	}
}

func oprunNoop(context.Context, *oprunJob) error { return nil }

// oprunCommit has its effect in a transaction of the job's own, with the end of the run.
func oprunCommit(ctx context.Context, job *oprunJob) error {
	return job.Commit(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insertEffect, job.Args.N, job.Args.Note)
		return err
	})
}

// oprunDispatch asks for all jobs ledger-first, so many in a transaction, from so many goroutines.
func oprunDispatch(perTransaction, callers int) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, err := s.pool(ctx, callers)
		if err != nil {
			return nil, err
		}
		ledger, err := oprun.Open(ctx, pool)
		if err != nil {
			return nil, err
		}
		js, err := s.jetStream()
		if err != nil {
			return nil, err
		}
		cat, err := oprunCatalog()
		if err != nil {
			return nil, err
		}
		tenant, err := uuid.Parse(s.Tenant)
		if err != nil {
			return nil, err
		}
		d := dispatch{pool, jobs.NewDispatcher(ledger, cat, js.Conn(), jobs.DispatcherConfig{}), dedupe.Tenant(tenant)}
		return func() error {
			return s.shared(callers, perTransaction, func(from, to int) error { return d.jobs(ctx, from, to) })
		}, nil
	}
}

type dispatch struct {
	pool  *pgxpool.Pool
	by    *jobs.Dispatcher
	scope dedupe.Scope
}

// jobs dispatches the jobs from the one to before the other: a single one by itself, several in one transaction.
func (d dispatch) jobs(ctx context.Context, from, to int) error {
	if to-from == 1 {
		_, err := d.by.Dispatch(ctx, d.scope, jobType, payloadOf(from))
		return err
	}
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		for n := from; n < to; n++ {
			if _, err := d.by.DispatchTx(ctx, tx, d.scope, jobType, payloadOf(n)); err != nil {
				return err
			}
		}
		return nil
	})
	d.by.Wake()
	return err
}

// shared calls do for all jobs, a batch at a time, from so many goroutines.
func (s *stage) shared(callers, batch int, do func(from, to int) error) error {
	starts := make(chan int, s.Jobs/batch+1) // filled and closed here
	for from := 0; from < s.Jobs; from += batch {
		starts <- from
	}
	close(starts)
	errs := make([]error, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			for from := range starts {
				if errs[i] = do(from, min(from+batch, s.Jobs)); errs[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
