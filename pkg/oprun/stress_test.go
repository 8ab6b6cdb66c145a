package oprun

import (
	"context"
	"flag"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

var stressFor = flag.Duration("stress", 5*time.Second, "how long the stress test makes faults")

// stressLease is short, so that leases do end while workers are at it.
const stressLease = 150 * time.Millisecond

// TestStress lets workers, late finishers, crashes, sweepers and callers with open transactions loose on few
// identities, and then counts: whatever happened, each invariant that it can see must hold.
func TestStress(t *testing.T) {
	t.Parallel()
	s := &stress{scene: sceneOn(t, widePool(t)), queue: new(messages)}
	audit, err := os.ReadFile("testdata/audit.sql")
	must(t, err)
	s.exec(string(audit))

	deadline, stop := context.WithTimeout(t.Context(), *stressFor+2*time.Minute)
	defer stop()
	group, ctx := errgroup.WithContext(deadline)
	s.faulty.Store(true)
	s.frozen = func(f func() error) { group.Go(f) }
	for range 2 {
		group.Go(func() error { return s.during(ctx, s.produce) })
		group.Go(func() error { return s.untilDrained(ctx, s.relay) })
	}
	for range 3 {
		group.Go(func() error { return s.during(ctx, s.call) })
	}
	for range 5 {
		group.Go(func() error { return s.untilDrained(ctx, s.work) })
	}
	group.Go(func() error { return s.during(ctx, s.cancel) })
	group.Go(func() error { return s.during(ctx, s.suspend) })
	group.Go(func() error { return s.end(ctx) })
	must(t, group.Wait())
	s.check()
}

// stress is the scene of the stress test.
type stress struct {
	*scene
	queue   *messages
	faulty  atomic.Bool // false: what still runs may come to its end
	drained atomic.Bool // true: nothing is active any more

	frozen func(func() error) // runs an attempt beside its worker, which goes on

	requests, executed, fenced atomic.Int64
}

// during repeats one actor's part while faults are made.
func (s *stress) during(ctx context.Context, part func(context.Context) error) error {
	for s.faulty.Load() {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// untilDrained repeats one actor's part until nothing is active any more.
func (s *stress) untilDrained(ctx context.Context, part func(context.Context) error) error {
	for !s.drained.Load() {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end stops the faults after their time, and then waits until no run is active and no message waits.
func (s *stress) end(ctx context.Context) error {
	if err := pause(ctx, *stressFor); err != nil {
		return err
	}
	s.faulty.Store(false)
	for {
		var active int
		err := s.pool.QueryRow(ctx, "select count(*) from oprun.operation_runs where completed_at is null").Scan(&active)
		if err != nil {
			return err
		}
		if active == 0 && s.queue.waiting() == 0 {
			s.drained.Store(true)
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// invariants count what must not be there.
var invariants = map[string]string{
	"I2: runs with two effects": "select count(*) from (select from effects group by run_id having count(*) > 1) x",
	"I2: ends in a transaction without its effect": `select count(*) from oprun.operation_runs r
		where summary_counts ? 'created' and not exists (select from effects e where e.run_id = r.id)`,
	"I2: effects of runs that did not end so": `select count(*) from effects e join oprun.operation_runs r on r.id = e.run_id
		where not coalesce(r.summary_counts ? 'created', false)`,
	"I3: attempts that lost their run under a live lease": `select count(*) from changes c
		join oprun.operation_run_attempts a on a.run_id = c.run_id and a.claim_token = c.old_token
		where a.result in ('abandoned', 'fenced') and c.new_token is distinct from c.old_token and c.at < c.old_lease`,
	"I4: runs that are still active": "select count(*) from oprun.operation_runs where completed_at is null",
	"I5: tokens of two runs": `select count(*) from (
		select from changes where new_token is not null group by new_token having count(distinct run_id) > 1) x`,
	"I9: effects of an attempt that did not end its run": `select count(*) from effects e where not exists (
		select from changes c where c.run_id = e.run_id and c.new_status = 'completed' and c.old_token = e.token)`,
	"deadlocks": "select deadlocks from pg_stat_database where datname = current_database()",
}

// check counts what is in the database.
func (s *stress) check() {
	for what, sql := range invariants {
		same(s.t, what, 0, query[int](s.scene, sql))
	}
	accepted := s.queue.accepted()
	ids := make([]uuid.UUID, 0, len(accepted))
	for id := range accepted {
		ids = append(ids, id)
	}
	same(s.t, "I4: messages without an end", 0, query[int](s.scene, `select count(*) from unnest($1::uuid[]) m(id)
		where not exists (select from oprun.operation_runs r where r.id = m.id)
		and not exists (select from oprun.operation_run_deliveries d where d.id = m.id)`, ids))
	runs := query[int](s.scene, "select count(*) from oprun.operation_runs")
	effects := query[int](s.scene, "select count(*) from effects")
	s.t.Logf("%d messages and %d requests, %d runs, %d attempts, %d fenced, %d effects",
		len(ids), s.requests.Load(), runs, s.executed.Load(), s.fenced.Load(), effects)
	followUps := query[int](s.scene, "select count(*) from changes where promoted")
	s.t.Logf("%d follow-ups were promoted", followUps)
	if followUps == 0 || s.fenced.Load() == 0 || effects == 0 || s.executed.Load() <= int64(runs)/2 {
		s.t.Error("there was no stress")
	}
}
