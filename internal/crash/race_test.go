//go:build failpoint

package crash

import (
	"oprun.example/internal/failpoint"
	"oprun.example/pkg/oprun"
)

// cancelStories ask for a run's cancellation when its effects are done and it is not ended, or its end is not
// committed. Either it is cancelled and has no effect, or it has succeeded with one; a success that comes first wins.
func cancelStories() map[string]story {
	found := map[string]story{}
	for action, want := range map[string]oprun.Outcome{
		kills: oprun.Cancelled, stops: oprun.Cancelled, fails: "", delays: oprun.Succeeded, // "": whichever is first
	} {
		found["cancel "+action] = func(s *scene) { s.cancelRaces(failpoint.FinishBefore, action, want) }
	}
	found["cancel locked "+delays] = func(s *scene) { s.cancelRaces(failpoint.CommitBefore, delays, oprun.Succeeded) }
	return found
}

func (s *scene) cancelRaces(point failpoint.Point, action string, want oprun.Outcome) {
	s.begin()
	run := s.publish(args{Key: "a"})
	s.cancelled = append(s.cancelled, run)
	victim := s.worker(fault(point, action))
	victim.strikes()
	s.eventually("the ledger to take the request", func() bool {
		_, err := s.ledger.Cancel(s.t.Context(), run, "tester", "a race")
		if err != nil && !oprun.Unavailable(err) { // the run is locked
			s.t.Fatal(err)
		}
		return err == nil
	})
	s.worker("")
	if action == stops {
		s.outlasts(victim)
	}
	s.end()
	if got := must(s.ledger.Run(s.t.Context(), run))(s.t); want != "" && got.Outcome != want {
		s.t.Errorf("the run ended as %s, want %s", got.Outcome, want)
	}
}

// promotionStories break the end of an owner, which hands its place to the follow-up behind it, while new requests want
// that place. Every request is covered by a claim that is later than itself (I6).
func promotionStories() map[string]story {
	found := map[string]story{}
	for _, action := range []string{kills, stops, fails, delays} {
		found["promotion "+action] = func(s *scene) { s.promotionRaces(failpoint.FinishBefore, action) }
		// The end of the owner is not committed: nobody can wait behind it, nor take its place.
		found["promotion uncommitted "+action] = func(s *scene) { s.promotionRaces(failpoint.CommitBefore, action) }
	}
	return found
}

func (s *scene) promotionRaces(point failpoint.Point, action string) {
	s.begin()
	request := func() { s.publishAs(followType, args{Key: "a"}) }
	owner := s.publishAs(followType, args{Key: "a"})
	victim := s.worker(fault(point, action))
	victim.strikes()
	s.worker("").started()
	request()
	// An error is over at once, and a frozen worker may be given the request by the broker.
	if point == failpoint.FinishBefore && (action == kills || action == delays) {
		s.eventually("it to wait behind the owner", func() bool {
			return s.count("select count(*) from oprun.operation_runs where follow_up") == 1
		})
	}
	request()
	if action == stops && point == failpoint.CommitBefore {
		s.eventually("the lease to end", func() bool {
			return s.count("select count(*) from oprun.operation_runs where lease_expires_at > clock_timestamp()") == 0
		})
		victim.cont()
	}
	s.eventually("the owner to end", func() bool { return must(s.ledger.Run(s.t.Context(), owner))(s.t).Status == "completed" })
	request()
	request()
	s.end()
}
