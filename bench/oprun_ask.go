package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
)

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
		p, err := publisher.PublishAsync(ctx, events.Request{Identity: identity, Input: input, RequestID: s.requestID(n)})
		if err != nil {
			return err
		}
		pending <- p
	}
	return nil
}

// requestID is empty, where oprun is to make one that has its date; else it is one that has none.
func (s *stage) requestID(n int) string {
	if s.Foreign == "" {
		return ""
	}
	return s.Foreign + "-" + strconv.Itoa(n)
}

func (s *stage) identity(input []byte) (dedupe.Identity, error) {
	tenant, err := uuid.Parse(s.Tenant)
	if err != nil {
		return dedupe.Identity{}, err
	}
	return dedupe.Rule{Inputs: identityFields}.Identify(dedupe.Tenant(tenant), jobType, input, dedupe.Occurrence{})
}

// oprunPublishAndWork does both at once in one process, as River's own benchmark does.
func oprunPublishAndWork(ctx context.Context, s *stage) (func() error, error) {
	publish, err := oprunPublish(ctx, s)
	if err != nil {
		return nil, err
	}
	work, err := oprunWork(4, oprunNoop)(ctx, s)
	return func() error {
		var group errgroup.Group
		group.Go(publish)
		group.Go(work)
		return group.Wait()
	}, err
}

// oprunDispatch asks for all jobs ledger-first, so many in a transaction, from so many goroutines.
func oprunDispatch(perTransaction, callers int) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, ledger, js, err := s.oprun(ctx, callers)
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
	args := make([]any, 0, to-from)
	for n := from; n < to; n++ {
		args = append(args, payloadOf(n))
	}
	err := pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		_, err := d.by.DispatchManyTx(ctx, tx, d.scope, jobType, args...)
		return err
	})
	d.by.Wake()
	return err
}
