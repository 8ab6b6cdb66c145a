package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

const (
	byHandConns = 32
	countClaims = "select count(*) from claims where completed_at is not null"
)

// createClaims is the least that decides which jobs are one and who holds them: no pages, no checks.
const createClaims = `create table claims (id uuid primary key, identity bytea not null, token uuid not null,
  claimed_at timestamptz not null default now(), completed_at timestamptz);
create unique index claims_active on claims (identity) where completed_at is null`

// byHandEmpty makes the loop's table, and oprun's stream.
func byHandEmpty(ctx context.Context, s *stage) error {
	return errors.Join(oprunEmpty(ctx, s), s.execute(ctx, createClaims))
}

// byHandLoaded fills the stream, too.
func byHandLoaded(ctx context.Context, s *stage) error {
	return errors.Join(oprunLoaded(ctx, s), s.execute(ctx, createClaims))
}

// byHandWork is what one writes by hand: for each message an INSERT that claims, the handler, an UPDATE that finishes
// under the claim's token, and an acknowledgement. A claim is for ever: nobody takes it over from one who has died.
func byHandWork(handler func(input []byte) error) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, err := s.pool(ctx, byHandConns)
		if err != nil {
			return nil, err
		}
		js, err := s.jetStream()
		if err != nil {
			return nil, err
		}
		topology := events.DefaultTopology()
		consumer, err := js.Consumer(ctx, topology.Stream, topology.Consumer)
		if err != nil {
			return nil, err
		}
		return func() error {
			messages, err := consumer.Messages(jetstream.PullMaxMessages(512))
			if err != nil {
				return err
			}
			if err := (loop{pool, handler}).all(ctx, messages, countTo(s.Jobs, messages.Stop)); err != nil {
				return err
			}
			return js.Conn().Flush() // the last acknowledgements, too, have reached the server
		}, nil
	}
}

type loop struct {
	pool    *pgxpool.Pool
	handler func(input []byte) error
}

// all handles messages, one at a time on each connection, until there are no more.
func (l loop) all(ctx context.Context, messages jetstream.MessagesContext, count *countdown) error {
	group, ctx := errgroup.WithContext(ctx)
	for range byHandConns {
		group.Go(func() error {
			for {
				msg, err := messages.Next()
				if err != nil {
					return nil //nolint:nilerr // stopped: all jobs are done, or another goroutine says why not
				}
				ran, err := l.handle(ctx, msg)
				if err != nil {
					messages.Stop()
					return err
				}
				if ran {
					count.handled()
				}
			}
		})
	}
	return group.Wait()
}

// handle reports whether the job was this message's to run.
func (l loop) handle(ctx context.Context, msg jetstream.Msg) (ran bool, err error) {
	message, err := events.FromMsg(msg)
	if err != nil {
		return false, err
	}
	job, err := events.Codec{}.Decode(message)
	if err != nil {
		return false, err
	}
	identity, err := dedupe.Rule{Inputs: identityFields}.Identify(job.Scope, job.Type, job.Input, job.Occurrence)
	if err != nil {
		return false, err
	}
	id, token := job.Occurrence.RunID(job.Scope, job.Type), uuid.New()
	claimed, err := l.pool.Exec(ctx, "insert into claims (id, identity, token) values ($1, $2, $3) on conflict do nothing", id, identity.Hash[:], token)
	if err != nil {
		return false, fmt.Errorf("claim: %w", err)
	}
	if claimed.RowsAffected() == 0 {
		return false, msg.Ack() // a duplicate
	}
	if err := l.handler(job.Input); err != nil {
		return false, err
	}
	finished, err := l.pool.Exec(ctx, "update claims set completed_at = now() where id = $1 and token = $2 and completed_at is null", id, token)
	if err != nil {
		return false, fmt.Errorf("finish: %w", err)
	}
	if finished.RowsAffected() != 1 {
		return false, errors.New("finish: the claim is another's")
	}
	return true, msg.Ack()
}
