package main

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/jobs/jobstest"
	"oprun.example/pkg/oprun"
)

func TestMain(m *testing.M) { os.Exit(jobstest.Main(m)) }

func bench(t *testing.T, d *directory) *jobstest.Bench {
	t.Helper()
	return jobstest.New(t, must(catalog.Parse("jobs.yaml", declared, nil)), handle(d), jobstest.Config{
		Migrate: func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, table)
			return err
		},
	})
}

// The message comes again while the handler waits for its commit, and after its end.
func TestFetch(t *testing.T) {
	t.Parallel()
	bench := bench(t, newDirectory())
	run := bench.Overlap(fetch, fetchInput{ConnectionID: "c-1"})
	run.WantOutcome(oprun.PartiallySucceeded)
	run.WantCounts(map[string]int64{"policies": 3, "created": 3, "failed": 1})
	run.WantFailures("assignments.policy_forbidden")
	bench.WantEffects(3, "select count(*) from assignments")
}

// Two attempts ask the directory, under one key: it restores once, and the result of the late one is refused.
func TestRestore(t *testing.T) {
	t.Parallel()
	d := newDirectory()
	run := bench(t, d).Freeze(jobstest.BeforeHandler, restore, restoreInput{"monday", map[string][]string{"encryption": {"sales"}}})
	run.WantSucceeded()
	run.WantAttempts(oprun.AttemptFenced, oprun.AttemptSucceeded)
	if run.Handled != 2 || len(d.restored) != 1 {
		t.Errorf("%d attempts made %d restorations", run.Handled, len(d.restored))
	}
}
