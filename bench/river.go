package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

const (
	countRiver     = "select count(*) from river_job where state = 'completed'"
	countRiverKeys = "select count(distinct unique_key) from river_job" // that they were unique

	riverConns = 10   // more or fewer are not faster
	riverBatch = 5000 // of an InsertMany, in River's own benchmark

	riverWorkers = 2000 // MaxWorkers, in River's own benchmark
)

type riverClient = river.Client[pgx.Tx]

// riverArgs are a job of River.
type riverArgs struct{ Payload }

// Kind is its type.
func (riverArgs) Kind() string { return "bench" }

// riverMode is whether equal jobs are one.
type riverMode bool

const (
	riverUnique riverMode = true // by the same fields as oprun's identity
	riverPlain  riverMode = false
)

func (m riverMode) opts() *river.InsertOpts {
	if m == riverUnique {
		return &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}
	}
	return nil
}

// riverWorker runs a handler.
type riverWorker struct {
	river.WorkerDefaults[riverArgs]
	handler riverHandler
	pool    *pgxpool.Pool
	count   *countdown
}

type riverHandler func(context.Context, *pgxpool.Pool, *river.Job[riverArgs]) error

// Work is one job.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverArgs]) error {
	defer w.count.handled()
	return w.handler(ctx, w.pool, job)
}

func riverNoop(context.Context, *pgxpool.Pool, *river.Job[riverArgs]) error { return nil }

// riverCompleteTx has its effect in a transaction of the job's own, with its completion.
func riverCompleteTx(ctx context.Context, pool *pgxpool.Pool, job *river.Job[riverArgs]) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertEffect, job.Args.N, job.Args.Note); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

// riverEmpty makes River's schema.
func riverEmpty(ctx context.Context, s *stage) error {
	pool, err := pgxpool.New(ctx, s.Database)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// riverLoaded inserts all jobs, too.
func riverLoaded(mode riverMode) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		if err := riverEmpty(ctx, s); err != nil {
			return err
		}
		pool, err := pgxpool.New(ctx, s.Database)
		if err != nil {
			return err
		}
		defer pool.Close()
		client, err := river.NewClient(riverpgxv5.New(pool), riverConfig())
		if err != nil {
			return err
		}
		if err := riverInsert(ctx, client, s, mode, riverBatch, 1); err != nil {
			return err
		}
		_, err = pool.Exec(ctx, "vacuum analyze river_job")
		return err
	}
}

// riverEffects also makes the table of the effects.
func riverEffects(ctx context.Context, s *stage) error {
	return errors.Join(riverLoaded(riverUnique)(ctx, s), makeEffects(ctx, s))
}

// riverInsert inserts all jobs, so many in a transaction, from so many goroutines.
func riverInsert(ctx context.Context, client *riverClient, s *stage, mode riverMode, perTransaction, callers int) error {
	return s.shared(callers, perTransaction, func(from, to int) error {
		if to-from == 1 {
			_, err := client.Insert(ctx, riverArgs{payloadOf(from)}, mode.opts())
			return err
		}
		batch := make([]river.InsertManyParams, 0, to-from)
		for n := from; n < to; n++ {
			batch = append(batch, river.InsertManyParams{Args: riverArgs{payloadOf(n)}, InsertOpts: mode.opts()})
		}
		if mode == riverPlain { // COPY, whose drawback is that one duplicate fails its batch
			_, err := client.InsertManyFast(ctx, batch)
			return err
		}
		_, err := client.InsertMany(ctx, batch)
		return err
	})
}

// riverWork works until all jobs were handled and their ends are written. Its settings are those of River's own
// benchmark.
func riverWork(conns int, handler riverHandler) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		client, done, err := riverStart(ctx, s, conns, handler)
		return func() error {
			if err := client.Start(ctx); err != nil {
				return err
			}
			<-done
			return client.Stop(ctx)
		}, err
	}
}

// riverInsertAndWork inserts all jobs meanwhile, in the same process, as River's own benchmark does.
func riverInsertAndWork(mode riverMode, perTransaction, callers int) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		client, done, err := riverStart(ctx, s, riverConns+callers, riverNoop)
		return func() error {
			if err := client.Start(ctx); err != nil {
				return err
			}
			if err := riverInsert(ctx, client, s, mode, perTransaction, callers); err != nil {
				return err
			}
			<-done
			return client.Stop(ctx)
		}, err
	}
}

func riverStart(ctx context.Context, s *stage, conns int, handler riverHandler) (*riverClient, <-chan struct{}, error) {
	pool, err := s.pool(ctx, conns)
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{}) // closed when all jobs were handled
	workers := river.NewWorkers()
	river.AddWorker(workers, &riverWorker{handler: handler, pool: pool, count: countTo(s.Jobs, func() { close(done) })})
	config := riverConfig()
	config.Queues, config.Workers = map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}}, workers
	client, err := river.NewClient(riverpgxv5.New(pool), config)
	return client, done, err
}

// riverConfig is of those who work and of those who only insert: a client tells the workers of a new job no more often
// than its own FetchCooldown, 100 ms by default.
func riverConfig() *river.Config {
	return &river.Config{
		FetchCooldown: 2 * time.Millisecond, FetchPollInterval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}
}
