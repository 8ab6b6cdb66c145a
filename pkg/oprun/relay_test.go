package oprun

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// due reads which runs the relay must look at now, and leaves them due.
func (s *scene) due() []DueRun {
	s.t.Helper()
	due, err := s.Due(s.t.Context(), Relay{Limit: 10, Turn: 0, Stream: "JOBS"})
	must(s.t, err)
	return due
}

// published records that these runs were published at sequence 9, and looks again in a second.
func (s *scene) published(sent ...DueRun) {
	s.t.Helper()
	list := make([]Publication, len(sent))
	for i, r := range sent {
		list[i] = Publication{RunID: r.ID, DispatchNo: r.DispatchNo, Seq: 9}
	}
	must(s.t, s.Published(s.t.Context(), list, time.Second))
}

// dueIn is how long the run may stay unlooked at.
func (s *scene) dueIn(id uuid.UUID) time.Duration {
	s.t.Helper()
	return query[time.Duration](s, "select due_at - clock_timestamp() from oprun.operation_runs where id = $1", id).Round(time.Second)
}

func TestDue(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_dispatched_run_is_due_at_once_with_all_that_its_message_needs": func(s *scene) {
			r := s.request("a")
			r.Identity.Scope = dedupe.Workspace(s.workspace.ID)
			run, _, err := s.EnsureWorkspaceRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "due", []DueRun{{
				ID: run.ID, Scope: r.Identity.Scope, Type: jobType, Input: []byte(`{"asked": "a"}`), Initiator: "tester",
			}}, s.due())
		},
		"the_most_overdue_come_first_and_the_future_not_at_all": func(s *scene) {
			for name, minutes := range map[string]int{"a": -3, "b": 5, "c": -9, "d": -6} {
				r := s.request(name)
				r.RunAt = time.Now().Add(time.Duration(minutes) * time.Minute)
				_, _, err := s.EnsureRunWithIdentity(s.t.Context(), r)
				must(s.t, err)
			}
			var order []string
			for _, limit := range []int{1, 10} {
				due, err := s.Due(s.t.Context(), Relay{Limit: limit, Turn: time.Minute, Stream: "JOBS"})
				must(s.t, err)
				order = append(order, fmt.Sprint(len(due)))
				for _, r := range due {
					order = append(order, string(r.Input))
				}
			}
			same(s.t, "at most one, and the others", []string{"1", `{"asked": "c"}`, "2", `{"asked": "d"}`, `{"asked": "a"}`}, order)
		},
		"what_a_relay_has_taken_is_left_to_it_for_its_turn": func(s *scene) {
			run := s.ensure("a")
			due, err := s.Due(s.t.Context(), Relay{Limit: 10, Turn: time.Minute, Stream: "JOBS"})
			must(s.t, err)
			same(s.t, "taken", 1, len(due))
			same(s.t, "the next look", time.Minute, s.dueIn(run.ID))
			same(s.t, "for another relay", nil, s.due())
			s.exec("update oprun.operation_runs set due_at = now()") // a minute later
			same(s.t, "when it has died", due, s.due())
			s.published(due...)
			same(s.t, "when it has done its work", time.Second, s.dueIn(run.ID))
		},
		"a_run_that_an_open_transaction_has_joined_waits_for_its_end": func(s *scene) {
			s.ensure("a")
			other := s.ensure("b")
			tx := s.open()
			_, _, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
			must(s.t, err)
			due := s.due()
			same(s.t, "while it is open", other.ID, due[0].ID)
			same(s.t, "while it is open", 1, len(due))
			must(s.t, tx.Commit(s.t.Context()))
			same(s.t, "after it", 2, len(s.due()))
		},
		"what_runs_or_has_ended_is_not_due": func(s *scene) {
			h := s.take(s.naming(s.ensure("a")))
			same(s.t, "while it runs", nil, s.due())
			s.finish(h)
			same(s.t, "when it has ended", nil, s.due())
		},
	})
}

func TestPublished(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_published_run_is_not_due_until_it_was_not_claimed_for_a_while": func(s *scene) {
			run := s.ensure("a")
			first := s.due()
			s.published(first...)
			same(s.t, "due", nil, s.due())
			same(s.t, "wait", time.Second, s.dueIn(run.ID))
			s.exec("update oprun.operation_runs set due_at = now()")
			second := s.due()[0]
			same(s.t, "publication and place", []uint64{1, 9}, []uint64{uint64(second.DispatchNo), second.PublishedSeq})
		},
		"a_publication_is_counted_once": func(s *scene) {
			run := s.ensure("a")
			first := s.due()
			s.published(first...)
			s.published(first...)
			same(s.t, "publications", 1, s.run(run.ID).DispatchNo)
		},
		"a_run_that_was_claimed_before_its_publication_was_recorded_stays_as_it_is": func(s *scene) {
			run := s.ensure("a")
			first := s.due()
			h := s.take(s.naming(run))
			s.published(first...)
			same(s.t, "publications", 0, s.run(run.ID).DispatchNo)
			s.requeue(Requeue{Hold: h, Ended: AttemptFailed})
			same(s.t, "the next has another number", 1, s.due()[0].DispatchNo)
			s.published(first...)
			same(s.t, "an old record changes nothing", 1, s.run(run.ID).DispatchNo)
		},
		"a_run_that_is_queued_again_has_no_place_in_the_stream": func(s *scene) {
			parked, swept := s.ensure("a"), s.ensure("b")
			s.published(s.due()...)
			h := s.take(s.naming(parked))
			s.take(s.naming(swept))
			s.requeue(Requeue{Hold: h, Ended: AttemptFailed})
			s.endLease(swept.ID)
			same(s.t, "swept", Swept{Requeued: 1}, s.sweep())
			for _, r := range s.due() {
				same(s.t, "publication and place", []uint64{2, 0}, []uint64{uint64(r.DispatchNo), r.PublishedSeq})
			}
			same(s.t, "due", 2, len(s.due()))
		},
		"the_wait_doubles_with_the_runs_age_up_to_ten_minutes": func(s *scene) {
			run := s.ensure("a")
			for age, want := range map[string]time.Duration{
				"0 s": time.Second, "20 s": 20 * time.Second, "40 s": 40 * time.Second, "1 day": 10 * time.Minute,
			} {
				s.exec("update oprun.operation_runs set due_at = now(), run_at = clock_timestamp() - $1::interval", age)
				s.published(s.due()...)
				same(s.t, "wait at the age of "+age, want, s.dueIn(run.ID))
				s.exec("update oprun.operation_runs set due_at = now()")
				r := s.due()[0]
				must(s.t, s.Postpone(s.t.Context(), []Publication{{RunID: r.ID, DispatchNo: r.DispatchNo}}, time.Second))
				same(s.t, "postponed at the age of "+age, want, s.dueIn(run.ID))
			}
		},
		"a_run_that_has_moved_on_is_not_postponed": func(s *scene) {
			run := s.ensure("a")
			r := s.due()[0]
			must(s.t, s.Postpone(s.t.Context(), []Publication{{RunID: r.ID, DispatchNo: r.DispatchNo + 1}}, time.Minute))
			same(s.t, "still due", 1, len(s.due()))
			must(s.t, s.Postpone(s.t.Context(), []Publication{{RunID: r.ID, DispatchNo: r.DispatchNo}}, time.Minute))
			same(s.t, "postponed", nil, s.due())
			same(s.t, "publications", 0, s.run(run.ID).DispatchNo)
		},
	})
}
