package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
)

// app is what a subcommand works with.
type app struct {
	*settings
	streams
	log *slog.Logger
}

// connect connects to NATS. The caller closes the connection.
func (a *app) connect(ctx context.Context) (*nats.Conn, error) {
	const worthALine = 2 * time.Second
	waiting := time.AfterFunc(worthALine, func() {
		a.log.Info("waiting for a service", "service", "nats", "at_most", a.ConnectTimeout.String())
	})
	defer waiting.Stop()
	return proc.ConnectNATS(ctx, proc.NATSConfig{URL: a.NATSURL, Creds: a.NATSCreds, Name: "oprun-publisher"}, a.log, a.ConnectTimeout)
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
		return misuse("%w", err)
	}
	return err
}
