package events

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// readStream returns the config of a stream, nil when there is none.
func readStream(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamConfig, error) {
	var stream jetstream.Stream
	err := try(ctx, func(ctx context.Context) (err error) {
		stream, err = js.Stream(ctx, name)
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &stream.CachedInfo().Config, nil
}

// readConsumer returns the config of a consumer, nil when there is none.
func readConsumer(ctx context.Context, js jetstream.JetStream, stream, name string) (*jetstream.ConsumerConfig, error) {
	var info *jetstream.ConsumerInfo
	err := try(ctx, func(ctx context.Context) error {
		pull, err := js.Consumer(ctx, stream, name)
		if errors.Is(err, jetstream.ErrNotPullConsumer) {
			push, err := js.PushConsumer(ctx, stream, name)
			if err == nil {
				info = push.CachedInfo()
			}
			return err
		}
		if err == nil {
			info = pull.CachedInfo()
		}
		return err
	})
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &info.Config, nil
}

func writeStream(ctx context.Context, js jetstream.JetStream, w write[jetstream.StreamConfig]) error {
	switch w.action {
	case create:
		return try(ctx, func(ctx context.Context) error {
			_, err := js.CreateStream(ctx, w.config)
			return err
		})
	case update:
		return try(ctx, func(ctx context.Context) error {
			_, err := js.UpdateStream(ctx, w.config)
			return err
		})
	case keep:
	}
	return nil
}

func writeConsumer(ctx context.Context, js jetstream.JetStream, stream string, w write[jetstream.ConsumerConfig]) error {
	switch w.action {
	case create:
		return try(ctx, func(ctx context.Context) error {
			_, err := js.CreateConsumer(ctx, stream, w.config)
			return err
		})
	case update:
		return try(ctx, func(ctx context.Context) error {
			_, err := js.UpdateConsumer(ctx, stream, w.config)
			return err
		})
	case keep:
	}
	return nil
}
