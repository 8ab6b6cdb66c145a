package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/internal/proc"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// app is what a subcommand works with.
type app struct {
	*settings
	streams
	log    *slog.Logger
	tracer trace.TracerProvider // nil: nobody traces
}

// hintAfter is when a wait for a service is worth a line.
const hintAfter = 2 * time.Second

// waiting logs after a while that a service is waited for, unless the answer is called before.
func (a *app) waiting(service string) (answer func() bool) {
	return time.AfterFunc(hintAfter, func() {
		a.log.Info("waiting for a service", "service", service, "at_most", a.ConnectTimeout.String())
	}).Stop
}

// postgres opens a pool. The caller closes it.
func (a *app) postgres(ctx context.Context) (*pgxpool.Pool, error) {
	defer a.waiting("postgres")()
	return proc.ConnectPostgres(ctx, a.DatabaseURL, a.ConnectTimeout, func(config *pgxpool.Config) {
		if config.ConnConfig.RuntimeParams["application_name"] == "" {
			config.ConnConfig.RuntimeParams["application_name"] = "oprun-consumer"
		}
		if a.tracer != nil { // what handlers do with it; the ledger's own connections are not traced
			config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(a.tracer))
		}
	})
}

// ledger opens the ledger. The caller closes it.
func (a *app) ledger(ctx context.Context) (ledger *oprun.Ledger, closeLedger func(), err error) {
	pool, err := a.postgres(ctx)
	if err != nil {
		return nil, nil, err
	}
	if ledger, err = oprun.Open(ctx, pool); err != nil {
		pool.Close()
		return nil, nil, explainLedger(ctx, err)
	}
	return ledger, func() { ledger.Close(); pool.Close() }, nil
}

// withLedger runs do with the ledger.
func (a *app) withLedger(ctx context.Context, do func(ledger *oprun.Ledger) error) error {
	ledger, closeLedger, err := a.ledger(ctx)
	if err != nil {
		return err
	}
	defer closeLedger()
	return explainLedger(ctx, do(ledger))
}

// jetStream connects to NATS. The caller closes the connection.
func (a *app) jetStream(ctx context.Context) (jetstream.JetStream, *nats.Conn, error) {
	defer a.waiting("nats")()
	conn, err := proc.ConnectNATS(ctx, a.nats(), a.log, a.ConnectTimeout)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("use jetstream: %w", err)
	}
	return js, conn, nil
}

func (a *app) nats() proc.NATSConfig {
	return proc.NATSConfig{URL: a.NATSURL, Creds: a.NATSCreds, Name: "oprun-consumer"}
}

// withOperator runs do with an operator, who knows the stream beside the ledger.
func (a *app) withOperator(ctx context.Context, ledger *oprun.Ledger, do func(operator *jobs.Operator) error) error {
	js, conn, err := a.jetStream(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return explainJetStream(ctx, do(jobs.NewOperator(js, ledger, a.subjects())))
}

// explainLedger gives an error of the ledger its exit code and says what to type.
func explainLedger(ctx context.Context, err error) error {
	if _, explained := errors.AsType[*proc.Error](err); err == nil || ctx.Err() != nil || explained {
		return err
	}
	if schema, ok := errors.AsType[*oprun.SchemaError](err); ok {
		wrong := &proc.Error{Code: proc.Unavailable, Err: err}
		if schema.Got < schema.Want {
			wrong.Hint = "type: consumer migrate up"
		}
		return wrong
	}
	if oprun.Unavailable(err) {
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer migrate status, to see whether Postgres answers"}
	}
	return err
}

// explainJetStream does so for an error of JetStream.
func explainJetStream(ctx context.Context, err error) error {
	if _, explained := errors.AsType[*proc.Error](err); err == nil || ctx.Err() != nil || explained {
		return err
	}
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, events.ErrNoStream):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: consumer topology apply --max-bytes <size>, with --types if run has them"}
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrJetStreamNotEnabled),
		errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: nats-server --jetstream, or enable JetStream for this account"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, events.ErrNoAck):
		return &proc.Error{Code: proc.Unavailable, Err: err, Hint: "type: nats server report jetstream, to see whether there is a leader, and that this user may use its API"}
	}
	return err
}
