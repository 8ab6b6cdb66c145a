//go:build failpoint

package crash

import (
	"slices"
	"strings"
	"testing"
	"time"

	"oprun.example/internal/failpoint"
)

// A suite that cannot fail proves nothing. Each of these stories passes as it is, and is reported when the rule that it
// leans on is switched off.
func TestWithoutRule(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rule   failpoint.Switch
		story  func(s *scene, broken bool)
		breach string // what the oracle must say
	}{
		"fence":            {failpoint.Fence, frozenInTheHandler, "I2: doubled: "},
		"fence of a group": {failpoint.Fence, frozenInTheGroup, "I2: doubled: "},
		"group_fence":      {failpoint.GroupFence, frozenInTheGroup, "I2: doubled: "},
		"lease":            {failpoint.Lease, frozenUnderItsLease, "I3: run "},
		"sweeper":          {failpoint.Sweeper, leftToTheSweeper, "I4: lost: "},
		"ack_after_commit": {failpoint.AckAfterCommit, killedBeforeItsClaim, "I4: lost: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("switched off is reported", func(t *testing.T) {
				t.Parallel()
				s := &scene{t: t, off: test.rule}
				s.begin()
				test.story(s, true)
				s.within(brokenPatience, func() bool { return s.drained() && reported(s, test.breach) })
				s.stop()
				if !reported(s, test.breach) {
					t.Errorf("without %s the oracle reports %q, want %q among it", test.rule, s.breaches(), test.breach)
				}
			})
			t.Run("in force leaves nothing to report", func(t *testing.T) {
				t.Parallel()
				s := &scene{t: t}
				s.begin()
				test.story(s, false)
				s.end()
			})
		})
	}
}

// brokenPatience is how long a story without its rule is given to end well, which it must not: a multiple of all times
// in it.
const brokenPatience = 5 * (shortLease + shortAckWait)

func reported(s *scene, breach string) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.breaches(), func(b string) bool { return strings.HasPrefix(b, breach) })
}

// frozenInTheHandler wakes a worker up when another has done its job. Its handler does not look at its context, and
// commits.
func frozenInTheHandler(s *scene, _ bool) {
	s.t.Helper()
	s.publish(args{Key: "a"})
	victim := s.worker(fault(failpoint.RunDuring, stops))
	victim.strikes()
	s.worker("")
	s.eventually("the other to do it", s.drained)
	victim.cont()
}

// frozenUnderItsLease lets the broker deliver the message of a frozen worker again, long before its lease ends.
func frozenUnderItsLease(s *scene, broken bool) {
	s.t.Helper()
	const longLease = "15s"
	s.publish(args{Key: "a"})
	victim := s.worker(fault(failpoint.RunDuring, stops), leaseOf+"="+longLease)
	victim.strikes()
	s.worker("", leaseOf+"="+longLease)
	delivered := s.delivered()
	s.eventually("the message to be delivered again", func() bool { return s.delivered() > delivered })
	if broken {
		s.eventually("the other to take the run", s.drained)
	}
	victim.cont()
}

// leftToTheSweeper leaves runs of the ledger whose worker was killed, and whose messages will never come again.
func leftToTheSweeper(s *scene, _ bool) {
	s.t.Helper()
	s.abandon("a", "b")
	s.worker("")
}

// killedBeforeItsClaim kills a worker that has a message, and has not told the ledger.
func killedBeforeItsClaim(s *scene, broken bool) {
	s.t.Helper()
	s.publish(args{Key: "a"})
	victim := s.worker("claim.before=delay(" + time.Hour.String() + ")")
	victim.strikes()
	if broken {
		s.eventually("the message to be acknowledged", s.acknowledged)
	}
	victim.kill()
	s.worker("")
}
