package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wmjetstream "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/jetstream"
	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

const (
	watermillTopic = "watermill"
	countSeen      = "select count(*) from seen"
)

// watermillLoaded makes the table of the messages that were seen, and fills a stream.
func watermillLoaded(ctx context.Context, s *stage) error {
	conn, err := pgx.Connect(ctx, s.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table seen (id uuid primary key, at timestamptz not null default now())"); err != nil {
		return err
	}
	js, err := s.jetStream()
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: watermillTopic, Subjects: []string{watermillTopic}, Retention: jetstream.WorkQueuePolicy,
	}); err != nil {
		return err
	}
	return watermillPublish(js, s)
}

// watermillPublish sends what Watermill's own publisher would, without waiting for each acknowledgement.
func watermillPublish(js jetstream.JetStream, s *stage) error {
	for n := range s.Jobs {
		input, err := json.Marshal(payloadOf(n))
		if err != nil {
			return err
		}
		msg := &nats.Msg{Subject: watermillTopic, Data: input, Header: nats.Header{}}
		msg.Header.Set(wmnats.WatermillUUIDHdr, uuid.NewString())
		if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(30*time.Second)); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-time.After(time.Minute):
		return errors.New("the stream does not take the messages")
	}
}

// watermillWork has so many subscriptions of one consumer, since each handles one message at a time. A message that was
// seen before is dropped; the handler does nothing.
func watermillWork(subscriptions int) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, err := s.pool(ctx, subscriptions)
		if err != nil {
			return nil, err
		}
		subscriber, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{
			URL: s.NATS, Logger: watermill.NopLogger{}, AckAsync: true, ResourceInitializer: wmjetstream.GroupedConsumer("bench"),
		})
		if err != nil {
			return nil, err
		}
		done := make(chan struct{}) // closed when all jobs were handled
		seen := seen{pool, countTo(s.Jobs, func() { close(done) })}
		return func() error {
			group, ctx := errgroup.WithContext(ctx)
			for range subscriptions {
				messages, err := subscriber.Subscribe(ctx, watermillTopic)
				if err != nil {
					return err
				}
				group.Go(func() error { return seen.handleAll(ctx, messages, done) })
			}
			return group.Wait()
		}, nil
	}
}

// seen drops what was seen before.
type seen struct {
	pool  *pgxpool.Pool
	count *countdown
}

func (s seen) handleAll(ctx context.Context, messages <-chan *message.Message, done <-chan struct{}) error {
	for {
		select {
		case msg := <-messages:
			if _, err := s.pool.Exec(ctx, "insert into seen (id) values ($1) on conflict do nothing", msg.UUID); err != nil {
				return err
			}
			msg.Ack()
			s.count.handled()
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
