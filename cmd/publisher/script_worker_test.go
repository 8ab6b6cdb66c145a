package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/oprun"
)

// worker runs the jobs of jobs.yaml, with handlers that do nothing, until the script ends.
func worker(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "worker")
	pool, err := pgxpool.New(context.Background(), ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	ts.Defer(pool.Close)
	ledger, err := oprun.Open(context.Background(), pool)
	ts.Check(err)
	ts.Defer(ledger.Close)
	conn, err := nats.Connect(ts.Getenv("NATS_URL"))
	ts.Check(err)
	ts.Defer(conn.Close)
	js, err := jetstream.New(conn)
	ts.Check(err)
	declared, err := catalog.Load(ts.MkAbs("jobs.yaml"))
	ts.Check(err)
	stop, err := workIdly(js, ledger, declared)
	ts.Check(err)
	ts.Defer(func() {
		if err := stop(); err != nil {
			ts.Logf("the worker: %v", err)
		}
	})
}
