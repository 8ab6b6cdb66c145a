package oprun

import (
	"testing"

	"github.com/google/uuid"
)

// confirmed is how the ledger says that this attempt ended its run; "" when it did not.
func (s *scene) confirmed(h Hold) Outcome {
	s.t.Helper()
	ended, err := s.Confirm(s.t.Context(), []Hold{h})
	must(s.t, err)
	return ended[h.RunID]
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"an_attempt_that_ended_its_run_is_told_so_for_ever": func(s *scene) {
			for _, outcome := range Outcomes() {
				h := s.take(s.delivery(string(outcome)))
				_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: outcome, Ended: AttemptFailed}})
				must(s.t, err)
				same(s.t, "confirmed", outcome, s.confirmed(h))
			}
		},
		"an_attempt_that_still_runs_has_not_ended_its_run": func(s *scene) {
			same(s.t, "confirmed", "", s.confirmed(s.take(s.delivery("a"))))
		},
		"an_attempt_that_was_taken_over_has_not_ended_its_run": func(s *scene) {
			d := s.delivery("a")
			late := s.take(d)
			now := s.takeOver(d)
			same(s.t, "while the other runs", "", s.confirmed(late))
			s.finish(now)
			same(s.t, "after the other's end", "", s.confirmed(late))
			same(s.t, "the other", Succeeded, s.confirmed(now))
		},
		"an_attempt_whose_run_the_ledger_ended_has_not_ended_it": func(s *scene) {
			swept, exhausted := s.delivery("a"), s.delivery("b")
			swept.MaxAttempts, exhausted.MaxAttempts = 1, 1
			first, second := s.take(swept), s.take(exhausted)
			s.endLease(swept.RunID)
			_, err := s.Sweep(s.t.Context(), 10, 0)
			must(s.t, err)
			s.endLease(exhausted.RunID)
			same(s.t, "verdict", []string{"exhausted"}, verdicts(s.claim(again(exhausted))))
			for range 2 {
				same(s.t, "swept", "", s.confirmed(first))
				same(s.t, "exhausted", "", s.confirmed(second))
				must(s.t, s.Fence(s.t.Context(), s.who.Worker, []Hold{first, second}))
			}
		},
		"two_attempts_of_one_number_are_told_apart": func(s *scene) {
			// After a failover that lost a claim both executors had attempt 1.
			h := s.take(s.delivery("a"))
			lost := h
			lost.Token = uuid.New()
			must(s.t, s.Fence(s.t.Context(), s.who.Worker, []Hold{lost}))
			s.finish(h)
			same(s.t, "the owner", Succeeded, s.confirmed(h))
			same(s.t, "the other", "", s.confirmed(lost))
		},
		"an_attempt_that_gave_its_run_back_has_not_ended_it": func(s *scene) {
			d := s.delivery("a")
			h := s.take(d)
			s.requeue(Requeue{Hold: h, Input: []byte(`{}`), Ended: AttemptFailed})
			same(s.t, "while it is queued", "", s.confirmed(h))
			now := s.take(again(d))
			s.finish(now)
			same(s.t, "after the end", "", s.confirmed(h))
			same(s.t, "the other", Succeeded, s.confirmed(now))
		},
		"a_commit_that_is_still_on_its_way_is_waited_for": func(s *scene) {
			h := s.take(s.delivery("a"))
			tx := s.open()
			must(s.t, s.On(tx).Finish(s.t.Context(), succeeded(h)))
			_, err := s.Confirm(s.t.Context(), []Hold{h})
			if !Unavailable(err) {
				s.t.Errorf("the fate of the run is not known yet, but Confirm says %v", err)
			}
			must(s.t, tx.Commit(s.t.Context()))
			same(s.t, "after the commit", Succeeded, s.confirmed(h))
		},
		"a_run_that_the_ledger_does_not_have_was_not_ended": func(s *scene) {
			same(s.t, "confirmed", "", s.confirmed(Hold{RunID: uuid.New(), Token: uuid.New(), Attempt: 1}))
		},
	})
}
