//go:build failpoint

package crash

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"oprun.example/internal/failpoint"
)

// TestCrash plays every story of the matrix (docs/crash-points.md): something breaks at one place in one way, others
// take over, what was frozen wakes up again, and in the end every accepted job has exactly one effect.
func TestCrash(t *testing.T) {
	t.Parallel()
	for name, play := range stories() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(&scene{t: t})
		})
	}
}

// stories returns them by the names that the matrix knows.
func stories() map[string]story {
	all := map[string]story{}
	for _, part := range []map[string]story{
		pointStories(), queueStories(), sweepStories(), streamStories(), brokerStories(), postgresStories(), callerStories(), replayStories(),
		cancelStories(), promotionStories(), retentionStories(), consumerStories(),
	} {
		maps.Copy(all, part)
	}
	return all
}

// What happens at a point. It happens once: whoever comes by later passes.
const (
	kills = "kill"
	stops = "stop"
	fails = "error"
	// longer than the lease, which is not prolonged unless the run is in the worker's hands
	delays = "delay"
)

func fault(point failpoint.Point, action string) string {
	if action == delays {
		action = fmt.Sprintf("delay(%s)", shortLease+time.Second)
	}
	return fmt.Sprintf("%s=%s*1", point, action)
}

// pointStories break one worker at a crash point and let another take over.
func pointStories() map[string]story {
	all := []string{kills, stops, fails, delays}
	found := map[string]story{}
	for point, actions := range map[failpoint.Point][]string{
		failpoint.ClaimBefore: all, failpoint.ClaimAfter: all, failpoint.RunDuring: all, failpoint.FinishBefore: all,
		failpoint.CommitBefore: all, failpoint.CommitAfter: all, failpoint.ParkAfter: all, failpoint.AckBefore: all,
		failpoint.AckAfter: {kills, stops}, failpoint.PublishBefore: all, failpoint.PubAck: all, failpoint.MarkBefore: all,
	} {
		for _, action := range actions {
			found[string(point)+" "+action] = func(s *scene) { s.breakAt(point, action) }
		}
	}
	return found
}

func (s *scene) breakAt(point failpoint.Point, action string) {
	s.begin()
	s.load()
	victim := s.worker(fault(point, action))
	victim.strikes()
	s.worker("")
	if action == stops {
		s.outlasts(victim)
	}
	s.end()
	// The handler of a frozen worker came to its end after the lease, and was refused (I9).
	if action == stops && (point == failpoint.RunDuring || point == failpoint.FinishBefore) {
		if s.count("select count(*) from oprun.operation_run_attempts where result = 'fenced'") == 0 {
			s.t.Error("no attempt was recorded as fenced")
		}
	}
}

// outlasts waits until the others have done everything while the victim is frozen, past its lease, and lets it go on.
// What its open transaction has locked, if it was frozen in the midst of one, is all that may be left.
func (s *scene) outlasts(victim *process) {
	s.t.Helper()
	s.eventually("the others to do what can be done", func() bool { return s.drained() || s.stranded() })
	victim.cont()
}

// stranded tells whether all that is left to do is locked by a transaction that was left open, past the lease.
func (s *scene) stranded() bool {
	s.t.Helper()
	return s.count(`select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`) > 0 &&
		s.count(`select count(*) from oprun.operation_runs where lease_expires_at > clock_timestamp()`) == 0 &&
		s.count(`select count(*) from (
			select from oprun.operation_runs where completed_at is null for no key update skip locked) free`) == 0
}

// sweepStories leave a run that only a sweeper can find, to two of them, of which one breaks.
func sweepStories() map[string]story {
	found := map[string]story{}
	for _, point := range []failpoint.Point{failpoint.SweepBefore, failpoint.SweepAfter} {
		for _, action := range []string{kills, stops, fails, delays} {
			found[string(point)+" "+action] = func(s *scene) { s.breakSweeperAt(point, action) }
		}
	}
	return found
}

func (s *scene) breakSweeperAt(point failpoint.Point, action string) {
	s.begin()
	s.abandon("a", "b")
	victim := s.worker(fault(point, action))
	victim.strikes()
	s.worker("")
	if action == stops {
		s.outlasts(victim)
	}
	s.end()
}

// abandon leaves runs of the ledger whose worker was killed and whose messages are gone, past their leases.
func (s *scene) abandon(keys ...string) {
	s.t.Helper()
	for _, key := range keys {
		s.dispatch(key)
	}
	s.worker("run.during=kill*1@" + fmt.Sprint(len(keys)-1)).strikes()
	s.purge()
	s.eventually("the leases to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where lease_expires_at < now() or completed_at is not null") == len(keys)
	})
}
