package main

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/jobs"
	"oprun.example/pkg/jobs/jobstest"
)

func TestMain(m *testing.M) { os.Exit(jobstest.Main(m)) }

// The worker dies when the order is updated and the commit is not sent: another one begins again.
func TestConfirm(t *testing.T) {
	t.Parallel()
	mux := &jobs.Mux{}
	jobs.Handle(mux, confirm, (&shop{}).confirm)
	bench := jobstest.New(t, declare(), mux, jobstest.Config{Migrate: func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, table+"; insert into orders values (7)")
		return err
	}})
	run := bench.Crash(jobstest.BeforeCommit, confirm, confirmation{OrderID: 7})
	run.WantSucceeded()
	run.WantCounts(map[string]int64{"updated": 1})
	bench.WantEffects(1, "select count(*) from orders where confirmed")
}
