package oprun

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// extend prolongs leases, and returns what the heartbeat brings back.
func (s *scene) extend(holds ...Hold) map[uuid.UUID]Extended {
	s.t.Helper()
	held, err := s.Extend(s.t.Context(), holds)
	must(s.t, err)
	return held
}

func TestExtend(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"what_is_held_keeps_its_lease_and_what_is_lost_is_missing": func(s *scene) {
			lost, d := s.delivery("lost"), s.delivery("held")
			late, held, ended := s.take(lost), s.take(d), s.take(s.delivery("ended"))
			s.takeOver(lost)
			s.finish(ended)
			s.exec("update oprun.operation_runs set lease_expires_at = now() + interval '1 s' where id = $1", held.RunID)
			same(s.t, "held", map[uuid.UUID]Extended{held.RunID: {}}, s.extend(late, held, ended))
			if left := time.Until(*s.run(held.RunID).LeaseExpiresAt); left < 50*time.Second {
				s.t.Errorf("%s of the lease are left", left)
			}
		},
		"a_cancel_request_comes_back_with_the_heartbeat": func(s *scene) {
			asked, other := s.take(s.delivery("a")), s.take(s.delivery("b"))
			s.exec("update oprun.operation_runs set cancel_requested_at = now() where id = $1", asked.RunID)
			want := map[uuid.UUID]Extended{asked.RunID: {CancelRequested: true}, other.RunID: {}}
			same(s.t, "held", want, s.extend(asked, other))
			same(s.t, "in the other order", want, s.extend(other, asked))
		},
		"a_lease_that_has_ended_but_was_not_taken_is_held_again": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.endLease(h.RunID)
			same(s.t, "held", map[uuid.UUID]Extended{h.RunID: {}}, s.extend(h))
			same(s.t, "verdict", []string{"busy"}, verdicts(s.claim(Delivery{
				RunID: h.RunID, Identity: s.identity("a"), Token: uuid.New(), Lease: time.Minute,
			})))
		},
		"a_transaction_that_ends_one_run_does_not_hold_up_the_others": func(s *scene) {
			holds := make([]Hold, 20)
			want := make(map[uuid.UUID]Extended)
			for i := range holds {
				holds[i] = s.take(s.delivery(string(rune('a' + i))))
				want[holds[i].RunID] = Extended{}
			}
			tx := s.open()
			must(s.t, s.On(tx).Finish(s.t.Context(), succeeded(holds[3])))
			want[holds[3].RunID] = Extended{Locked: true}
			same(s.t, "held", want, s.extend(holds...))
			must(s.t, tx.Commit(s.t.Context()))
			delete(want, holds[3].RunID)
			same(s.t, "held after the commit", want, s.extend(holds...))
		},
		"nor_does_it_hold_up_the_ends_of_the_others": func(s *scene) {
			h, other, parked, blocked := s.take(s.delivery("a")), s.take(s.delivery("b")), s.take(s.delivery("c")), s.take(s.delivery("d"))
			tx := s.open()
			must(s.t, s.On(tx).Finish(s.t.Context(), succeeded(h)))
			must(s.t, s.On(tx).Finish(s.t.Context(), succeeded(blocked)))
			done, err := s.Finish(s.t.Context(), []Result{succeeded(h), succeeded(other)})
			must(s.t, err)
			same(s.t, "done", map[uuid.UUID]bool{h.RunID: false, other.RunID: true}, done)
			stands, err := s.Requeue(s.t.Context(), []Requeue{{Hold: parked, Ended: AttemptFailed}, {Hold: blocked, Ended: AttemptFailed}})
			must(s.t, err)
			same(s.t, "stands", map[uuid.UUID]Outcome{parked.RunID: Pending, blocked.RunID: ""}, stands)
			must(s.t, tx.Commit(s.t.Context()))
		},
		"nothing_in_hand_is_nothing_to_extend": func(s *scene) {
			same(s.t, "held", nil, s.extend())
		},
	})
}
