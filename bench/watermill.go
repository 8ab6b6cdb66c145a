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
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

const (
	watermillTopic    = "watermill"
	watermillHandlers = 32
	countSeen         = "select count(*) from seen"
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

// watermillWork has many subscriptions of one consumer, since each handles one message at a time. A message that was seen
// before is dropped; the handler does nothing.
func watermillWork(ctx context.Context, s *stage) (func() error, error) {
	pool, err := s.pool(ctx, watermillHandlers)
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
	count := countTo(s.Jobs, func() { close(done) })
	handle := func(ctx context.Context, msg *message.Message) error {
		_, err := pool.Exec(ctx, "insert into seen (id) values ($1) on conflict do nothing", msg.UUID)
		if err == nil {
			msg.Ack()
			count.handled()
		}
		return err
	}
	return func() error {
		group, ctx := errgroup.WithContext(ctx)
		for range watermillHandlers {
			messages, err := subscriber.Subscribe(ctx, watermillTopic)
			if err != nil {
				return err
			}
			group.Go(func() error {
				for {
					select {
					case msg := <-messages:
						if err := handle(ctx, msg); err != nil {
							return err
						}
					case <-done:
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
			})
		}
		return group.Wait()
	}, nil
}
