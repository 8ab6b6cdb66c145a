package main

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs"
	"oprun.example/pkg/oprun"
)

// worker runs the jobs of jobs.yaml, with handlers that do nothing, until the script ends.
func worker(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "worker")
	pool, err := pgxpool.New(context.Background(), ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	ledger, err := oprun.Open(context.Background(), pool)
	ts.Check(err)
	conn, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	js, err := jetstream.New(conn)
	ts.Check(err)
	declared, err := catalog.Load(ts.MkAbs("jobs.yaml"))
	ts.Check(err)
	mux := &jobs.Mux{}
	for name := range declared.Jobs {
		if strings.HasPrefix(name, "ops.") { // built in
			continue
		}
		jobs.Handle(mux, name, func(context.Context, *jobs.Job[struct{}]) error { return nil })
	}
	w, err := jobs.NewWorker(js, ledger, declared, mux, jobs.Config{NoSchedules: true, DrainTimeout: time.Second})
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // of Run
	go func() { ended <- w.Run(ctx) }()
	ts.Defer(func() {
		stop()
		if err := <-ended; err != nil {
			ts.Logf("the worker: %v", err)
		}
		conn.Close()
		ledger.Close()
		pool.Close()
	})
}
