package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/catalog"
)

// working writes an effect after a moment's work, and now and then fails its first attempt.
func working(ctx context.Context, job *Job[keyed]) error {
	select {
	case <-time.After(10 * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	if job.Attempt == 1 && job.RunID[15]%8 == 0 {
		return errBoom
	}
	return writeEffect(ctx, job)
}

// patientJob has attempts to spare for the faults that its tests make.
func patientJob() catalog.Job {
	job := hurriedJob("key")
	job.Retry.MaxAttempts = 20
	return job
}

// Postgres is restarted, and then crashes, in the middle of the work. The worker goes on, every run ends, and every
// effect is there once (I2, I4); as no worker died, its counters are the ledger's (I12).
func TestPostgresRestartedInTheMiddle(t *testing.T) {
	t.Parallel()
	postgres := devstack.PrivatePostgres(t, devstack.PostgresConfig{})
	check(t, postgres.CreateDatabase(t.Context(), "oprun"))
	migrate(t, postgres.URL("oprun"))
	s := stackOn(t, devstack.Server(t), postgres.URL("oprun"))
	s.hurry()
	s.catalog = testCatalog(t, patientJob())
	const jobs = 800
	runs := s.publishAll(repeat(jobs, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
	w := s.start(handling(working), Config{Concurrency: 32})
	succeeded := func(n float64) func() bool {
		return func() bool { return w.metric(t, "runs_total", "outcome=succeeded") >= n }
	}
	s.eventually("some runs to end", succeeded(jobs/5))
	check(t, postgres.Restart(t.Context()))
	s.eventually("more runs to end", succeeded(jobs/2))
	postgres.Kill()
	check(t, postgres.Restart(t.Context()))
	s.eventually("all runs to end", succeeded(jobs))
	s.settled(jobs)
	s.acknowledged()
	s.wantOneEffectEach(runs...)
	s.wantCountersEqualRows(w)
	check(t, w.stop())
}

func migrate(t *testing.T, database string) {
	t.Helper()
	conn := must(pgx.Connect(t.Context(), database))(t)
	must(migrations.Up(t.Context(), conn))(t)
	check(t, conn.Close(t.Context()))
}

// NATS is restarted in the middle of the work, with the same streams.
func TestNATSRestartedInTheMiddle(t *testing.T) {
	t.Parallel()
	s := newPortStack(t, nil)
	s.catalog = testCatalog(t, patientJob())
	const jobs = 800
	runs := s.publishAll(repeat(jobs, func(i int) string { return fmt.Sprintf(`{"key":"%d"}`, i) }))
	w := s.start(handling(working), Config{Concurrency: 32})
	for part := range 2 {
		s.eventually("some runs to end", func() bool { return w.metric(t, "runs_total", "outcome=succeeded") >= float64(jobs*(part+1)/4) })
		check(t, s.nats.Restart())
	}
	s.settled(jobs)
	s.acknowledged()
	s.wantOneEffectEach(runs...)
	s.wantCountersEqualRows(w)
	check(t, w.stop())
}
