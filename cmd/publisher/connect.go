package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

// app is what a subcommand works with.
type app struct {
	*settings
	streams
	log    *slog.Logger
	tracer trace.TracerProvider // nil: nobody traces
}

// connect connects to NATS. The caller closes the connection.
func (a *app) connect(ctx context.Context) (*nats.Conn, error) {
	defer a.waiting("nats")()
	return proc.ConnectNATS(ctx, a.nats(), a.log, a.ConnectTimeout)
}

// withJetStream runs do with a connection, and with a context that ends when the broker refuses it a subject.
func (a *app) withJetStream(ctx context.Context, do func(ctx context.Context, js jetstream.JetStream) error) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("use jetstream: %w", err)
	}
	allowed, stop := events.WhileAllowed(ctx, conn)
	defer stop()
	err = do(allowed, js)
	if cause := context.Cause(allowed); err != nil && errors.Is(cause, events.ErrNotAllowed) && !explained(err) {
		return explainPublish(cause)
	}
	return err
}

func explained(err error) bool {
	_, ok := errors.AsType[*proc.Error](err)
	return ok
}

func (a *app) nats() proc.NATSConfig {
	return proc.NATSConfig{URL: a.NATSURL, Creds: a.NATSCreds, Name: "oprun-publisher"}
}

// waiting logs after a while that a service is waited for, unless the answer is called before.
func (a *app) waiting(service string) (answer func() bool) {
	const worthALine = 2 * time.Second
	return time.AfterFunc(worthALine, func() {
		a.log.Info("waiting for a service", "service", service, "at_most", a.ConnectTimeout.String())
	}).Stop
}

// explain gives an error of a publication its exit code, and says what to type.
func explain(ctx context.Context, err error, requestID string) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, events.ErrNoStream):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer topology apply --max-bytes <size>"}
	case errors.Is(err, events.ErrNoAck):
		hint := "the job may be in the stream: type the same again"
		if requestID != "" {
			hint += ", with --request-id " + requestID
		}
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: hint}
	case errors.Is(err, events.ErrStreamFull):
		return &proc.Error{Code: proc.Failed, Err: err, Hint: "type: consumer topology apply --max-bytes <more>"}
	}
	if _, refused := errors.AsType[*events.Refusal](err); refused {
		return misuse("publish", "%w", err)
	}
	return err
}
