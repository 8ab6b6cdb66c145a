package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"oprun.example/internal/admin"
	"oprun.example/internal/proc"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// service is a running consumer: the worker, and the metrics listener that tells how it is.
type service struct {
	*app
	command  *runCommand
	topology events.Topology // whom to pull from
	catalog  *catalog.Catalog
	mux      *jobs.Mux
	registry *prometheus.Registry
	away     prometheus.Collector // says that the ledger is, until it has answered

	// What the readiness checks look at, from other goroutines.
	opened   atomic.Pointer[oprun.Ledger] // nil until Postgres has answered
	joined   atomic.Pointer[broker]       // nil until NATS has
	draining atomic.Bool
}

// broker is an interface in a form that an atomic pointer can hold.
type broker struct{ jetstream.JetStream }

// run opens the door before the work begins and shuts it after the work has ended: probes are answered while services
// are waited for, and metrics are read while jobs drain.
func (s *service) run(ctx context.Context) error {
	handler, err := admin.Metrics(s.registry, admin.MetricsConfig{Ready: s.checks(), Logger: s.log})
	if err == nil {
		err = s.registry.Register(s.away)
	}
	if err != nil {
		return err
	}
	door, err := s.listen(ctx, handler)
	if err != nil {
		return err
	}
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	open, shut := context.WithCancel(context.WithoutCancel(ctx))
	defer shut()
	closed := make(chan error, 1) // how the door ended
	go func() {
		err := door.Run(open)
		stop(err)
		closed <- err
	}()
	err = s.work(work)
	shut()
	return errors.Join(err, <-closed)
}

// listen takes the port of the metrics listener.
func (s *service) listen(ctx context.Context, handler http.Handler) (*admin.Listener, error) {
	door, err := admin.Listen(ctx, s.command.MetricsListen, handler, s.log)
	if err == nil {
		s.log.Info("metrics listener started", "address", door.Addr())
		return door, nil
	}
	wrong := &proc.Error{Code: proc.Unavailable, Err: fmt.Errorf("metrics: %w", err), Hint: "type: consumer run --metrics-listen <host:port> with an address of this machine"}
	if errors.Is(err, syscall.EADDRINUSE) {
		wrong.Hint = "type: consumer run --metrics-listen <another host:port>, or :0 for a free port"
	}
	if _, unreadable := errors.AsType[*net.AddrError](err); unreadable {
		wrong.Code, wrong.Hint = proc.Usage, "type: consumer run --metrics-listen 127.0.0.1:9464"
	}
	return nil, wrong
}

// work connects, and runs the worker until ctx ends. A stop while services are waited for is no failure.
func (s *service) work(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.draining.Store(true)
		s.log.Info("draining", "at_most", s.command.DrainTimeout.String())
	})()
	ledger, closeLedger, err := s.ledger(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer closeLedger()
	s.opened.Store(ledger)
	s.registry.Unregister(s.away)
	js, conn, err := s.jetStream(ctx)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	defer conn.Close()
	s.joined.Store(&broker{js})

	worker, err := jobs.NewWorker(js, ledger, s.catalog, s.mux, jobs.Config{
		Stream: s.topology.Stream, Consumer: s.topology.Consumer, Subjects: s.topology.Subjects, Types: s.command.Types,
		Concurrency: s.command.Concurrency, DrainTimeout: s.command.DrainTimeout, Retention: time.Duration(s.command.Retention),
		AuditEvery: s.command.AuditEvery, Workspace: s.command.Workspace, NoSchedules: s.command.NoSchedules,
		NoEvents: s.command.NoEvents, Registry: s.registry, Logger: s.log, TracerProvider: s.tracer,
	})
	if err != nil {
		return &proc.Error{Code: proc.Usage, Err: err, Hint: "mend " + s.command.Catalog + ", or type: consumer run --types <types>"}
	}
	if err := worker.Run(ctx); err != nil {
		return unlessStopped(ctx, explainJetStream(ctx, err))
	}
	s.log.Info("worker stopped")
	return nil
}

// unlessStopped returns err, or nil when it only came of being asked to stop.
func unlessStopped(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}
