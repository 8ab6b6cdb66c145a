package main

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"oprun.example/pkg/events"
)

// waits returns when a record, which somebody may be writing, holds n messages.
func waits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "waits FILE MESSAGES")
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	const patience = time.Minute
	deadline, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for inRecord(ts.MkAbs(args[0])) != want {
		select {
		case <-deadline:
			ts.Fatalf("%s does not have %d messages after %s", args[0], want, patience)
		case <-tick.C:
		}
	}
}

// answers asks the script's database, and fails the script unless there is a row.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "answers QUERY")
	conn, err := pgx.Connect(context.Background(), ts.Getenv("DATABASE_URL"))
	ts.Check(err)
	defer func() { ts.Check(conn.Close(context.Background())) }()
	tag, err := conn.Exec(context.Background(), args[0])
	ts.Check(err)
	if tag.RowsAffected() == 0 {
		ts.Fatalf("no row: %s", args[0])
	}
}

// inRecord counts the messages that a file holds by now.
func inRecord(path string) (n int) {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	for _, err := range events.Records(file) {
		if err != nil {
			return -1 // not even up to the last whole line
		}
		n++
	}
	return n
}
