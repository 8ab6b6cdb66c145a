//go:build failpoint

package crash

import (
	"fmt"
	"testing"

	"oprun.example/internal/failpoint"
)

// queueStories break a worker that has the queued effects of many jobs in one transaction, one of which has a bad
// statement in its first attempt, and let another take over.
func queueStories() map[string]story {
	all := []string{kills, stops, fails, delays}
	found := map[string]story{}
	for point, actions := range map[failpoint.Point][]string{
		failpoint.GroupBefore: all, failpoint.FinishBefore: all, failpoint.CommitBefore: all, failpoint.CommitAfter: all,
		failpoint.AckBefore: {kills, stops, delays},
	} {
		for _, action := range actions {
			found["queue "+string(point)+" "+action] = func(s *scene) { s.breakGroupAt(point, action) }
		}
	}
	return found
}

func (s *scene) breakGroupAt(point failpoint.Point, action string) {
	s.begin()
	victim := s.breakGroup(point, action)
	s.worker("")
	if action == stops {
		s.outlasts(victim)
	}
	s.end()
	// All that was in the group has lost its run when it wakes up (I9).
	if action == stops && (point == failpoint.GroupBefore || point == failpoint.FinishBefore) {
		if n := s.count("select count(*) from oprun.operation_run_attempts where result = 'fenced'"); n < 2 {
			s.t.Errorf("%d attempts were recorded as fenced, want a group of them", n)
		}
	}
}

// breakGroup starts a worker, and has it break with its second group: the first is of the job that holds the others, and
// they come together meanwhile. Should all have been in one group, there are more jobs.
func (s *scene) breakGroup(point failpoint.Point, action string) *process {
	s.t.Helper()
	victim := s.worker(fault(point, action) + "@1")
	victim.started()
	const waves = 5
	for wave := 0; len(victim.struck) == 0; wave++ {
		if wave == waves {
			s.t.Fatalf("nothing breaks in %d waves of jobs", waves)
		}
		s.wave(wave)
		s.eventually("a group to break, or everything to be done", func() bool { return len(victim.struck) > 0 || s.drained() })
	}
	victim.strikes()
	return victim
}

// wave has jobs accepted whose handlers queue their effects, and come to their ends together behind the first.
func (s *scene) wave(n int) {
	s.t.Helper()
	const jobs, bad = 8, 5
	for i := range jobs {
		s.publish(args{Key: fmt.Sprintf("%d-%d", n, i), Queues: true, Holds: i == 0, Fails: i == bad})
	}
}

// frozenInTheGroup wakes a worker up in the midst of a group's transaction, when another has done its jobs.
func frozenInTheGroup(s *scene, _ bool) {
	s.t.Helper()
	victim := s.breakGroup(failpoint.FinishBefore, stops)
	s.worker("")
	s.eventually("the other to do them", s.drained)
	victim.cont()
}

// Many jobs have their effects in one transaction: else the stories of groups would be about something else.
func TestGroupsAreOfManyJobs(t *testing.T) {
	t.Parallel()
	s := &scene{t: t}
	s.begin()
	s.worker("").started()
	for wave := range 3 {
		s.wave(wave)
	}
	s.end()
	// The ends of a group's runs are by its transaction itself, whatever savepoints its effects are under.
	if n := s.count("select max(n) from (select count(*) as n from oprun.operation_runs where completed_at is not null group by xmin::text) ends"); n < 3 {
		t.Errorf("the largest group was of %d jobs", n)
	}
}
