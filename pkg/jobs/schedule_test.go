package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/catalog"
)

const nightly = "test.nightly"

// newScheduled is a stack whose workers fire a schedule of the test type.
func newScheduled(t *testing.T, cron string) *stack {
	t.Helper()
	s := newStack(t)
	s.fires = true
	s.catalog = must(catalog.New(catalog.Catalog{
		Jobs:      map[string]catalog.Job{testType: testJob("key")},
		Schedules: map[string]catalog.Schedule{nightly: {Type: testType, Cron: cron, Input: []byte(`{"key":"scheduled"}`)}},
	}, nil))(t)
	return s
}

// firings counts the runs of the schedule, and the fire times and scopes that they are of.
func (s *stack) firings() (runs, times, scopes int) {
	s.t.Helper()
	check(s.t, s.pool.QueryRow(s.t.Context(), `select count(*), count(distinct context->>'fire_time'), count(distinct tenant_id)
		from oprun.operation_runs where context->>'schedule' = $1`, nightly).Scan(&runs, &times, &scopes))
	return runs, times, scopes
}

func TestSchedules(t *testing.T) {
	t.Parallel()

	t.Run("any number of workers makes one run of a fire time for each active tenant", func(t *testing.T) {
		t.Parallel()
		s := newScheduled(t, "@every 1s")
		_, _, err := s.ledger.AddTenant(t.Context(), s.workspace, "second")
		check(t, err)
		resting, _, err := s.ledger.AddTenant(t.Context(), s.workspace, "resting")
		check(t, err)
		must(s.ledger.Suspend(t.Context(), resting.ExternalID))(t)
		workers := []*worker{s.start(writing(), Config{}), s.start(writing(), Config{}), s.start(writing(), Config{})}
		s.eventually("some fires", func() bool {
			_, times, _ := s.firings()
			return times >= 3
		})
		for _, w := range workers {
			check(t, w.stop())
		}
		runs, times, scopes := s.firings()
		if scopes != 2 || runs < 2*times-1 || runs > 2*times {
			t.Errorf("%d runs of %d fire times and %d tenants, want one each of 2", runs, times, scopes)
		}
		if twins := s.count(`select count(*) from (select from oprun.operation_runs where context->>'schedule' = $1
			group by tenant_id, context->>'fire_time' having count(*) > 1) x`, nightly); twins > 0 {
			t.Errorf("%d fire times have two runs of one tenant", twins)
		}
		if n := s.count("select count(*) from effects e group by run_id having count(*) > 1 union all select 0 order by 1 desc limit 1"); n > 1 {
			t.Errorf("a scheduled run has %d effects", n)
		}
	})

	t.Run("after downtime the latest missed time is fired, and says how many were missed", func(t *testing.T) {
		t.Parallel()
		s := newScheduled(t, "@every 10m")
		latest := time.Now().Truncate(10 * time.Minute)
		check(t, s.ledger.Fired(t.Context(), nightly, latest.Add(-time.Hour)))
		s.start(writing(), Config{})
		s.eventually("the run to end", func() bool {
			return s.count("select count(*) from oprun.operation_runs where context->>'schedule' = $1 and completed_at is not null", nightly) > 0
		})
		rows := must(s.pool.Query(t.Context(), `select (context->>'fire_time')::timestamptz, (context->>'missed_fires')::integer, once, initiator_name
			from oprun.operation_runs where context->>'schedule' = $1 order by id limit 1`, nightly))(t)
		type told struct {
			Fire   time.Time
			Missed int
			Once   bool
			By     string
		}
		got := must(pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[told]))(t)
		want := told{got.Fire, int(got.Fire.Sub(latest.Add(-time.Hour))/(10*time.Minute)) - 1, true, "schedule " + nightly}
		if got != want || got.Fire.Before(latest) {
			t.Errorf("the run is %+v, want %+v", got, want)
		}
	})

	t.Run("one that the ledger has never seen begins with its next time", func(t *testing.T) {
		t.Parallel()
		s := newScheduled(t, "0 0 1 1 *")
		s.start(writing(), Config{})
		s.eventually("it to be seen", func() bool {
			_, seen, err := s.ledger.LastFire(context.Background(), nightly)
			return err == nil && seen
		})
		if runs, _, _ := s.firings(); runs > 0 {
			t.Errorf("it made %d runs of a time before it was there", runs)
		}
	})

	t.Run("a time that is older than retention is not fired", func(t *testing.T) {
		t.Parallel()
		s := newScheduled(t, "0 0 29 2 *") // once in four years
		check(t, s.ledger.Fired(t.Context(), nightly, time.Now().AddDate(-9, 0, 0)))
		s.start(writing(), Config{})
		s.eventually("it to be passed over", func() bool {
			fire, _, err := s.ledger.LastFire(context.Background(), nightly)
			return err == nil && time.Since(fire) < 5*366*24*time.Hour
		})
		if runs, _, _ := s.firings(); runs > 0 {
			t.Errorf("it made %d runs of a time that may have been forgotten", runs)
		}
	})

	t.Run("a built-in type has one run, in the home of system runs", func(t *testing.T) {
		t.Parallel()
		s := newScheduled(t, "0 0 1 1 *")
		home, _, err := s.ledger.AddWorkspace(t.Context(), "home")
		check(t, err)
		check(t, s.ledger.Fired(t.Context(), catalog.ReconcileAdapterRuns, time.Now().Add(-time.Hour)))
		s.start(writing(), Config{Workspace: "home"})
		s.start(writing(), Config{Workspace: home.ID.String()})
		s.eventually("the run to end", func() bool {
			return s.count("select count(*) from oprun.operation_runs where type = $1 and outcome = 'succeeded'", catalog.ReconcileAdapterRuns) > 0
		})
		n := s.count("select count(*) from oprun.operation_runs where type = $1 and workspace_id = $2 and tenant_id is null", catalog.ReconcileAdapterRuns, home.ID)
		if all := s.count("select count(*) from oprun.operation_runs where type = $1", catalog.ReconcileAdapterRuns); n != all || n > 2 {
			t.Errorf("%d of %d runs are in the home of system runs", n, all)
		}
	})

	t.Run("a home that is not there keeps a worker from starting", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := must(NewWorker(s.js, s.ledger, s.catalog, writing(), Config{Workspace: "nowhere"}))(t)
		if err := w.Run(t.Context()); err == nil {
			t.Error("it started")
		}
	})
}
