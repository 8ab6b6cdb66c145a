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
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

const (
	watermillTopic = "watermill"
	watermillGroup = "bench"

	watermillSubscriptions = 32
	countSeen              = "select count(*) from seen"
)

// watermillEmpty makes the table of the messages that were seen, and a stream that keeps its messages, as oprun's does: a
// work queue deletes one for each acknowledgement, and that costs.
func watermillEmpty(ctx context.Context, s *stage) error {
	if err := s.execute(ctx, "create table seen (id uuid primary key, at timestamptz not null default now())"); err != nil {
		return err
	}
	js, err := s.jetStream()
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: watermillTopic, Subjects: []string{watermillTopic}})
	return err
}

// watermillLoaded fills the stream, too.
func watermillLoaded(ctx context.Context, s *stage) error {
	if err := watermillEmpty(ctx, s); err != nil {
		return err
	}
	js, err := s.jetStream()
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	for n := range s.Jobs {
		if err := watermillSend(js, payloadOf(n)); err != nil {
			return err
		}
	}
	return watermillSent(js)
}

// watermillSend sends what Watermill's own publisher would, without waiting for its acknowledgement.
func watermillSend(js jetstream.JetStream, p Payload) error {
	input, err := json.Marshal(p)
	if err != nil {
		return err
	}
	msg := &nats.Msg{Subject: watermillTopic, Data: input, Header: nats.Header{}}
	msg.Header.Set(wmnats.WatermillUUIDHdr, uuid.NewString())
	_, err = js.PublishMsgAsync(msg, jetstream.WithStallWait(30*time.Second))
	return err
}

// watermillSent waits until the stream has all.
func watermillSent(js jetstream.JetStream) error {
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-time.After(time.Minute):
		return errors.New("the stream does not take the messages")
	}
}

// watermillWork has so many subscriptions of one consumer, since each handles one message at a time.
func watermillWork(subscriptions int, handler func(input []byte) error) part {
	return func(ctx context.Context, s *stage) (func() error, error) {
		pool, err := s.pool(ctx, subscriptions)
		if err != nil {
			return nil, err
		}
		subscriber, err := wmjetstream.NewSubscriber(wmjetstream.SubscriberConfig{
			URL: s.NATS, Logger: watermill.NopLogger{}, AckAsync: true, ResourceInitializer: wmjetstream.GroupedConsumer(watermillGroup),
		})
		if err != nil {
			return nil, err
		}
		js, err := s.jetStream()
		if err != nil {
			return nil, err
		}
		done := make(chan struct{}) // closed when all jobs were handled
		seen := seen{pool, handler, countTo(s.Jobs, func() { close(done) })}
		return func() error {
			subscribed, stop := context.WithCancel(ctx) // longer than the handlers: its end drops acknowledgements
			defer stop()
			group, ctx := errgroup.WithContext(ctx)
			for range subscriptions {
				messages, err := subscriber.Subscribe(subscribed, watermillTopic)
				if err != nil {
					return err
				}
				group.Go(func() error { return seen.handleAll(ctx, messages, done) })
			}
			if err := group.Wait(); err != nil {
				return err
			}
			return watermillAcked(subscribed, js)
		}, nil
	}
}

// watermillAcked waits until the server has all acknowledgements, which are sent behind the handlers' backs.
func watermillAcked(ctx context.Context, js jetstream.JetStream) error {
	consumer, err := js.Consumer(ctx, watermillTopic, "watermill__"+watermillGroup+"__"+watermillTopic)
	if err != nil {
		return err
	}
	for {
		info, err := consumer.Info(ctx)
		if err != nil || info.NumAckPending == 0 {
			return err
		}
	}
}

// seen drops what was seen before.
type seen struct {
	pool    *pgxpool.Pool
	handler func(input []byte) error
	count   *countdown
}

func (s seen) handleAll(ctx context.Context, messages <-chan *message.Message, done <-chan struct{}) error {
	for {
		select {
		case msg, ok := <-messages:
			if !ok {
				return errors.New("the subscription has ended")
			}
			if err := s.handle(ctx, msg); err != nil {
				return err
			}
		case <-done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s seen) handle(ctx context.Context, msg *message.Message) error {
	marked, err := s.pool.Exec(ctx, "insert into seen (id) values ($1) on conflict do nothing", msg.UUID)
	if err != nil {
		return err
	}
	if marked.RowsAffected() == 0 {
		msg.Ack()
		return nil
	}
	if err := s.handler(msg.Payload); err != nil {
		return err
	}
	msg.Ack()
	s.count.handled()
	return nil
}
