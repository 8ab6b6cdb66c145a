package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

const byHandConns = 32

// byHandWork is what one writes by hand, with the same promise: for each message an INSERT that claims, an UPDATE that
// finishes, and an acknowledgement. The table is the ledger's.
func byHandWork(ctx context.Context, s *stage) (func() error, error) {
	return byHandHandle(ctx, s, func([]byte) error { return nil })
}

// byHandHandle also runs a handler between the two.
func byHandHandle(ctx context.Context, s *stage, handler func(input []byte) error) (func() error, error) {
	pool, err := s.pool(ctx, byHandConns)
	if err != nil {
		return nil, err
	}
	l := loop{pool: pool, handler: handler}
	if err := pool.QueryRow(ctx, "select workspace_id, id from oprun.tenants").Scan(&l.workspace, &l.tenant); err != nil {
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
		count := countTo(s.Jobs, messages.Stop)
		group, ctx := errgroup.WithContext(ctx)
		for range byHandConns {
			group.Go(func() error {
				for {
					msg, err := messages.Next()
					if err != nil {
						return nil //nolint:nilerr // stopped: all jobs are done, or another goroutine says why not
					}
					if err := l.handle(ctx, msg); err != nil {
						messages.Stop()
						return err
					}
					count.handled()
				}
			})
		}
		return group.Wait()
	}, nil
}

type loop struct {
	pool              *pgxpool.Pool
	workspace, tenant uuid.UUID
	handler           func(input []byte) error
}

func (l loop) handle(ctx context.Context, msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	message, err := events.FromMsg(msg)
	if err != nil {
		return err
	}
	job, err := events.Codec{}.Decode(message)
	if err != nil {
		return err
	}
	identity, err := dedupe.Rule{Inputs: identityFields}.Identify(job.Scope, job.Type, job.Input, job.Occurrence)
	if err != nil {
		return err
	}
	id, token := job.Occurrence.RunID(job.Scope, job.Type), uuid.New()
	_, err = l.pool.Exec(ctx, `insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, attempt,
  max_attempts, claim_token, lease_expires_at, due_at, origin_seq, started_at)
values ($1, $2, $3, $4, $5, 'running', 1, 5, $6, now() + interval '30 s', now() + interval '60 s', $7, now()) on conflict do nothing`,
		id, l.workspace, l.tenant, job.Type, identity.Hash[:], token, int64(meta.Sequence.Stream))
	if err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	if err := l.handler(job.Input); err != nil {
		return err
	}
	_, err = l.pool.Exec(ctx, `update oprun.operation_runs set status = 'completed', outcome = 'succeeded', completed_at = now(),
  claim_token = null, lease_expires_at = null, due_at = null where id = $1 and claim_token = $2`, id, token)
	if err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return msg.Ack()
}
