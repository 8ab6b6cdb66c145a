package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/pkg/oprun"
)

// forgetDay lets the ledger forget everything older than so many days ($1), as if AdvanceHorizon had said so two minutes
// ago: it is asked for several days in a row here, and allows one a minute.
const forgetDay = `update oprun.retention_horizon h set kept_since = k.since, advanced_at = now() - interval '2 minutes',
  floor = (lpad(to_hex((extract(epoch from k.since) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
from (select now() - $1 * interval '1 day' as since) k where h.one`

const (
	loadSeconds = 10
	loadRounds  = 3
	mostDays    = keptDays / 2 // are deleted at most in one turn
)

// retention plays a load of half the maximum on the dated database, with and without one day after another being deleted
// meanwhile.
func (g growth) retention(ctx context.Context) (string, error) {
	most, err := maximum(func(c contestant) (measurement, error) {
		return g.turn(ctx, grown[0].database, "continuous", c, grown[0].undated)
	})
	if err != nil {
		return "", err
	}
	c := load().contestants[0]
	c.rate = int(most / 2)
	c.jobs = loadSeconds * c.rate
	d := &deletion{growth: g, database: grown[0].database, kept: keptDays}
	var without, with []measurement
	for range loadRounds {
		m, err := g.turn(ctx, d.database, "load", c, grown[0].undated)
		if err != nil {
			return "", err
		}
		without = append(without, m)
		if m, err = d.during(ctx, c); err != nil {
			return "", err
		}
		with = append(with, m)
	}
	return d.report(c.rate, without, with), nil
}

// deletion deletes day after day, the oldest first.
type deletion struct {
	growth
	database string
	kept     int // days
	rows     int // deleted so far
	took     time.Duration
}

// during is a turn with a deletion beside it.
func (d *deletion) during(ctx context.Context, c contestant) (measurement, error) {
	deleting, stop := context.WithCancel(ctx)
	defer stop()
	deleted := make(chan error, 1)
	go func() { deleted <- d.days(deleting) }()
	m, err := d.turn(ctx, d.database, "load", c, grown[0].undated)
	stop()
	if failed := <-deleted; err == nil {
		err = failed
	}
	return m, err
}

// days deletes until the context ends. What has been deleted by then stays deleted.
func (d *deletion) days(ctx context.Context) error {
	pool, err := pgxpool.New(ctx, d.servers.postgres.URL(d.database))
	if err != nil {
		return err
	}
	defer pool.Close()
	ledger, err := oprun.Open(ctx, pool)
	if err != nil {
		return err
	}
	defer ledger.Close()
	for range mostDays / loadRounds {
		d.kept--
		if _, err := pool.Exec(ctx, forgetDay, d.kept); err != nil {
			return ignoreStop(ctx, err)
		}
		began := time.Now()
		expiry, err := ledger.DeleteExpired(ctx, 0, false)
		d.took += time.Since(began)
		d.rows += expiry.Runs.Deleted
		if err != nil {
			return ignoreStop(ctx, err)
		}
	}
	return nil
}

func ignoreStop(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // asked to stop: that is how it ends
	}
	return err
}

func (d *deletion) report(asked int, without, with []measurement) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nRetention: %s jobs/s are asked for, half of what is the most when jobs are asked for and worked on at the same time, on the dated rows; meanwhile one day after another is deleted, %s runs a day.\n\n",
		number(float64(asked)), number(float64(d.growth.rows)/keptDays))
	b.WriteString("| | jobs/s | start p50 ms | start p99 ms | CPU µs/job |\n|---|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		all  []measurement
	}{{"without", without}, {"while deleting", with}} {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", row.name, middle(rate)(row.all), middle(named(half))(row.all), middle(named(almostAll))(row.all), middle(cpu)(row.all))
	}
	fmt.Fprintf(&b, "\n%s runs were deleted, %s a second. Medians of %d turns each.\n",
		thousands(int64(d.rows)), number(float64(d.rows)/d.took.Seconds()), loadRounds)
	return b.String()
}
