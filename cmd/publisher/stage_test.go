package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/internal/devstack"
	"oprun.example/pkg/catalog"
	"oprun.example/pkg/events"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// stage is a folder, a broker with the stream, and a ledger with a tenant.
type stage struct {
	t       *testing.T
	dir     string
	js      jetstream.JetStream
	natsURL string
	pool    *pgxpool.Pool
	ledger  *oprun.Ledger
	tenant  uuid.UUID
}

// newStage gives the stream this dedupe window.
func newStage(t *testing.T, window time.Duration) *stage {
	t.Helper()
	server, err := devstack.StartNATS(devstack.NATSConfig{Port: -1})
	check(t, err)
	t.Cleanup(func() { check(t, server.Close()) })
	conn, err := server.Connect()
	check(t, err)
	t.Cleanup(conn.Close)
	s := &stage{t: t, dir: t.TempDir(), natsURL: server.URL(), pool: devstack.Pool(t)}
	s.js, err = jetstream.New(conn)
	check(t, err)
	topology := events.DefaultTopology()
	topology.Duplicates = window
	_, err = topology.Apply(t.Context(), s.js, false)
	check(t, err)
	s.ledger, err = oprun.Open(t.Context(), s.pool)
	check(t, err)
	t.Cleanup(s.ledger.Close)
	_, tenant, err := s.ledger.Seed(t.Context(), "")
	check(t, err)
	s.tenant = tenant.ExternalID
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// workIdly runs the jobs of a catalogue, with handlers that do nothing, until stop is called.
func workIdly(js jetstream.JetStream, ledger *oprun.Ledger, declared *catalog.Catalog) (stop func() error, err error) {
	mux := &jobs.Mux{}
	for name := range declared.Jobs {
		if !strings.HasPrefix(name, "ops.") { // built in
			jobs.Handle(mux, name, func(context.Context, *jobs.Job[struct{}]) error { return nil })
		}
	}
	return work(js, ledger, declared, mux)
}

// work runs jobs until stop is called.
func work(js jetstream.JetStream, ledger *oprun.Ledger, declared *catalog.Catalog, mux *jobs.Mux) (stop func() error, err error) {
	worker, err := jobs.NewWorker(js, ledger, declared, mux, jobs.Config{NoSchedules: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1) // of Run
	go func() { ended <- worker.Run(ctx) }()
	return func() error { cancel(); return <-ended }, nil
}
