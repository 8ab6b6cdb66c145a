package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"oprun.example/pkg/events"
)

// published is the figure that says how many jobs a second were asked for.
const published = "published"

// paced sends each job when it is due by the clock, whether or not earlier ones are done: a system that is slow does not
// get fewer jobs by that. When the sending itself takes too long, the figure tells.
func (s *stage) paced(ctx context.Context, send func(n int) error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	began := time.Now()
	for n := range s.Jobs {
		due := began.Add(time.Duration(n) * time.Second / time.Duration(s.Rate))
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := send(n); err != nil {
			return err
		}
	}
	s.figures[published] = float64(s.Jobs) / time.Since(began).Seconds()
	return nil
}

// payloadAt is a payload that says when it was sent, and has the usual size. The time is that of the wall clock, which
// all processes of a machine share.
func payloadAt(n int, sent time.Time) Payload {
	p := payloadOf(n)
	p.Note = fmt.Sprintf("%0*d", len(p.Note), sent.UnixNano())
	return p
}

func (p Payload) sent() (time.Time, error) {
	nanos, err := strconv.ParseInt(p.Note, 10, 64)
	return time.Unix(0, nanos), err
}

// oprunPaced publishes at a pace.
func oprunPaced(ctx context.Context, s *stage) (func() error, error) {
	js, err := s.jetStream()
	if err != nil {
		return nil, err
	}
	publisher := events.NewPublisher(js, events.PublisherConfig{})
	return func() error {
		pending := make(chan *events.Pending, 10_000) // more than the publisher lets be under way; filled and closed here
		failed := make(chan error, 1)
		go func() { failed <- waitAll(ctx, pending) }()
		err := s.paced(ctx, func(n int) error {
			p, err := s.publishAt(ctx, publisher, n)
			if err == nil {
				pending <- p
			}
			return err
		})
		close(pending)
		return errors.Join(err, <-failed)
	}, nil
}

func (s *stage) publishAt(ctx context.Context, publisher *events.Publisher, n int) (*events.Pending, error) {
	input, err := json.Marshal(payloadAt(n, time.Now()))
	if err != nil {
		return nil, err
	}
	identity, err := s.identity(input)
	if err != nil {
		return nil, err
	}
	return publisher.PublishAsync(ctx, events.Request{Identity: identity, Input: input})
}

// waitAll sees that the stream has taken all; after a failure it only empties the channel.
func waitAll(ctx context.Context, pending <-chan *events.Pending) (failed error) {
	for p := range pending {
		if failed == nil {
			_, failed = p.Wait(ctx)
		}
	}
	return failed
}

// watermillPaced sends at a pace.
func watermillPaced(ctx context.Context, s *stage) (func() error, error) {
	js, err := s.jetStream()
	if err != nil {
		return nil, err
	}
	return func() error {
		if err := s.paced(ctx, func(n int) error { return watermillSend(js, payloadAt(n, time.Now())) }); err != nil {
			return err
		}
		return watermillSent(js)
	}, nil
}

// riverPaced inserts at a pace, each job in a transaction of its own, from so many goroutines.
func riverPaced(callers int) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, err := s.pool(ctx, callers)
		if err != nil {
			return nil, err
		}
		client, err := river.NewClient(riverpgxv5.New(pool), riverConfig())
		if err != nil {
			return nil, err
		}
		return func() error {
			due := make(chan int) // filled and closed here
			errs := make([]error, callers)
			var group sync.WaitGroup
			for i := range callers {
				group.Go(func() {
					for n := range due {
						_, err := client.Insert(ctx, riverArgs{payloadAt(n, time.Now())}, riverUnique.opts())
						errs[i] = errors.Join(errs[i], err)
					}
				})
			}
			err := s.paced(ctx, func(n int) error {
				due <- n
				return nil
			})
			close(due)
			group.Wait()
			return errors.Join(err, errors.Join(errs...))
		}, nil
	}
}
