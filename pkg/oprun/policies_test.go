package oprun

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

func TestOnce(t *testing.T) {
	t.Parallel()
	once := func(s *scene) Delivery {
		d := s.delivery("a")
		d.Once = true
		return d
	}
	scenes(t, map[string]func(s *scene){
		"an_identity_runs_once_for_ever": func(s *scene) {
			h := s.take(once(s))
			s.finish(h)
			second := once(s)
			same(s.t, "another request", []Answer{{Verdict: dedupe.Duplicate, RunID: h.RunID}}, s.claim(second))
			same(s.t, "and again", []string{"duplicate"}, verdicts(s.claim(again(second))))
			r := s.request("a")
			r.Once = true
			run, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "a request in the ledger", []any{h.RunID, false}, []any{run.ID, created})
		},
		"any_number_of_callers_makes_one_run": func(s *scene) {
			var group errgroup.Group
			ids := make(chan uuid.UUID, 8)
			for range cap(ids) {
				group.Go(func() error {
					r := s.request("a")
					r.Once = true
					run, _, err := s.EnsureRunWithIdentity(s.t.Context(), r)
					ids <- run.ID
					return err
				})
			}
			must(s.t, group.Wait())
			first := <-ids
			for range cap(ids) - 1 {
				same(s.t, "run", first, <-ids)
			}
		},
		"a_failed_one_can_be_tried_again_by_hand": func(s *scene) {
			h := s.take(once(s))
			failed := Result{Hold: h, Outcome: Failed, Ended: AttemptFailed, Input: []byte(`{"n": 1}`)}
			_, err := s.Finish(s.t.Context(), []Result{failed})
			must(s.t, err)
			run, err := s.Retry(s.t.Context(), h.RunID, "tester", nil)
			must(s.t, err)
			same(s.t, "once", false, run.Once)
			same(s.t, "another message meanwhile", []string{"duplicate"}, verdicts(s.claim(once(s))))
			s.finish(s.take(s.naming(run)))
			same(s.t, "and afterwards", []string{"duplicate"}, verdicts(s.claim(once(s))))
		},
	})
}

func TestCooldown(t *testing.T) {
	t.Parallel()
	cooling := func(s *scene) Delivery {
		d := s.delivery("a")
		d.Cools = true
		return d
	}
	succeed := func(s *scene, h Hold, outcome Outcome) {
		_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: outcome, Ended: AttemptSucceeded, Cooldown: time.Hour, Input: []byte(`{}`)}})
		must(s.t, err)
	}
	scenes(t, map[string]func(s *scene){
		"a_success_cools_its_identity_down": func(s *scene) {
			h := s.take(cooling(s))
			succeed(s, h, Succeeded)
			second := cooling(s)
			same(s.t, "next", []Answer{{Verdict: dedupe.Cooldown, RunID: h.RunID}}, s.claim(second))
			r := s.request("a")
			r.Cools = true
			run, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "a request in the ledger", []any{h.RunID, false}, []any{run.ID, created})
			s.exec("update oprun.operation_runs set cooldown_until = now() - interval '1 s'")
			same(s.t, "it stays what it was", []string{"cooldown"}, verdicts(s.claim(again(second))))
			same(s.t, "a later one", []string{"execute"}, verdicts(s.claim(cooling(s))))
		},
		"nothing_else_does": func(s *scene) {
			for _, outcome := range []Outcome{Failed, PartiallySucceeded, Blocked, Cancelled} {
				succeed(s, s.take(cooling(s)), outcome)
			}
			same(s.t, "next", []string{"execute"}, verdicts(s.claim(cooling(s))))
		},
		"a_run_that_exists_is_not_held_up": func(s *scene) {
			r := s.request("a")
			r.Cools = true
			run, _, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			s.exec(`insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, outcome, max_attempts, completed_at, cooldown_until)
				select gen_random_uuid(), workspace_id, tenant_id, type, run_identity_hash, 'completed', 'succeeded', 1, now(), now() + interval '1 h'
				from oprun.operation_runs`)
			d := s.naming(run)
			d.Cools = true
			same(s.t, "answer", []string{"execute"}, verdicts(s.claim(d)))
		},
	})
}

func TestSuspendedTenant(t *testing.T) {
	t.Parallel()
	suspended := func(s *scene) {
		tenant, err := s.Suspend(s.t.Context(), s.tenant.ExternalID)
		must(s.t, err)
		same(s.t, "status", "suspended", tenant.Status)
	}
	resume := func(s *scene) int {
		tenant, parked, err := s.Resume(s.t.Context(), s.tenant.ExternalID)
		must(s.t, err)
		same(s.t, "status", "active", tenant.Status)
		return parked
	}
	due := func(s *scene) int {
		list, err := s.Due(s.t.Context(), Relay{Limit: 10, Turn: 0, Stream: "JOBS"})
		must(s.t, err)
		return len(list)
	}
	scenes(t, map[string]func(s *scene){
		"its_messages_are_parked_with_their_input_until_it_resumes": func(s *scene) {
			suspended(s)
			d := s.delivery("a")
			d.Input = []byte(`{"n": 1}`)
			same(s.t, "answer", []Answer{{Verdict: dedupe.Suspended, RunID: d.RunID}}, s.claim(d))
			same(s.t, "delivered again", []string{"suspended"}, verdicts(s.claim(again(d))))
			same(s.t, "another of the identity", []string{"duplicate"}, verdicts(s.claim(s.delivery("a"))))
			same(s.t, "it is parked", true, s.run(d.RunID).Parked())
			same(s.t, "due", 0, due(s))
			same(s.t, "a look of the sweeper", Swept{}, s.sweep())
			same(s.t, "parked", 1, resume(s))
			same(s.t, "it is parked", false, s.run(d.RunID).Parked())
			same(s.t, "due", 1, due(s))
			answer := s.claim(s.naming(s.run(d.RunID)))[0]
			same(s.t, "claim", `execute {"n": 1}`, answer.Verdict.String()+" "+string(answer.Input))
		},
		"its_queued_runs_are_parked_when_they_come_up": func(s *scene) {
			run := s.ensure("a")
			suspended(s)
			same(s.t, "answer", []string{"suspended"}, verdicts(s.claim(s.naming(run))))
			same(s.t, "due", 0, due(s))
			same(s.t, "parked", 1, resume(s))
			same(s.t, "due", 1, due(s))
		},
		"what_a_relay_records_late_does_not_make_a_parked_run_due": func(s *scene) {
			run := s.ensure("a")
			suspended(s)
			same(s.t, "answer", []string{"suspended"}, verdicts(s.claim(s.naming(run))))
			late := []Publication{{RunID: run.ID, DispatchNo: run.DispatchNo, Seq: 1}}
			must(s.t, s.Published(s.t.Context(), late, -time.Hour))
			must(s.t, s.Postpone(s.t.Context(), late, -time.Hour))
			same(s.t, "due", 0, due(s))
			same(s.t, "parked", 1, resume(s))
		},
		"a_run_goes_on_and_its_end_is_taken": func(s *scene) {
			h := s.take(s.delivery("a"))
			suspended(s)
			s.finish(h)
		},
		"a_run_whose_worker_died_is_parked_by_way_of_the_sweeper": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			suspended(s)
			s.endLease(d.RunID)
			same(s.t, "redelivery", []string{"busy"}, verdicts(s.claim(again(d))))
			same(s.t, "swept", Swept{Requeued: 1}, s.sweep())
			same(s.t, "named, before its input is back", []string{"busy"}, verdicts(s.claim(s.naming(s.run(d.RunID)))))
			late := again(d)
			late.Input = []byte(`{"body": true}`)
			same(s.t, "the message itself brings it", []string{"suspended"}, verdicts(s.claim(late)))
			same(s.t, "parked", 1, resume(s))
			answer := s.claim(s.naming(s.run(d.RunID)))[0]
			same(s.t, "claim", `execute {"body": true}`, answer.Verdict.String()+" "+string(answer.Input))
		},
		"a_park_that_races_a_resume_leaves_no_run_behind": func(s *scene) {
			suspended(s)
			tx := s.open() // a claim that has seen the suspension, and is about to park
			d := s.delivery("a")
			c := &claim{ledger: s.Ledger, who: s.who, batch: []Delivery{d}, answers: make([]Answer, 1)}
			_, err := tx.Exec(s.t.Context(), parkSQL, c.parkArgs([]int{0})...)
			must(s.t, err)
			var group errgroup.Group
			parked := 0
			group.Go(func() (err error) {
				_, parked, err = s.Resume(s.t.Context(), s.tenant.ExternalID)
				return err
			})
			s.waitForLock()
			must(s.t, tx.Commit(s.t.Context()))
			must(s.t, group.Wait())
			same(s.t, "parked runs that resumed", 1, parked)
			same(s.t, "due", 1, due(s))
		},
		"other_tenants_run": func(s *scene) {
			suspended(s)
			other, _, err := s.AddTenant(s.t.Context(), s.workspace.ID, "other")
			must(s.t, err)
			d := s.delivery("a")
			d.Identity.Scope = dedupe.Tenant(other.ExternalID)
			same(s.t, "answers", []string{"suspended", "execute"}, verdicts(s.claim(s.delivery("a"), d)))
		},
		"an_unknown_one_cannot_be_suspended": func(s *scene) {
			_, err := s.Suspend(s.t.Context(), uuid.New())
			_, _, err2 := s.Resume(s.t.Context(), uuid.New())
			same(s.t, "not found", []bool{true, true}, []bool{errors.Is(err, ErrNotFound), errors.Is(err2, ErrNotFound)})
		},
	})
}

// TestHorizon is about occurrences whose runs the ledger may have forgotten.
func TestHorizon(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"what_is_older_is_never_run": func(s *scene) {
			old, kept := s.delivery("a"), s.delivery("b")
			old.RunID = uuid.MustParse("017f22e2-79b0-8cc3-98c4-dc0c0c07398f") // of 2022
			s.finish(s.take(kept))
			s.exec("update oprun.retention_horizon set floor = $1", newID(s.t))
			undated, fresh := s.delivery("c"), s.delivery("d")
			undated.RunID = uuid.MustParse("00000000-0000-8cc3-98c4-dc0c0c07398f")
			answers := s.claim(old, again(kept), undated, fresh)
			same(s.t, "answers", []string{"rejected", "completed", "execute", "execute"}, verdicts(answers))
			same(s.t, "reason", dedupe.OlderThanRetention, answers[0].Reason)
			r := s.request("e")
			r.ID = old.RunID
			_, _, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			if !errors.Is(err, ErrOlderThanRetention) {
				s.t.Errorf("an old request: %v", err)
			}
		},
	})
}

// TestRequestID is about requests that have an id of their own, whichever way they come.
func TestRequestID(t *testing.T) {
	t.Parallel()
	asked := func(s *scene, id uuid.UUID) (Run, bool) {
		r := s.request("a")
		r.ID = id
		run, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
		must(s.t, err)
		return run, created
	}
	scenes(t, map[string]func(s *scene){
		"asked_for_twice_it_is_one_run": func(s *scene) {
			id := newID(s.t)
			run, created := asked(s, id)
			same(s.t, "created", []any{id, true}, []any{run.ID, created})
			s.finish(s.take(s.naming(run)))
			run, created = asked(s, id)
			same(s.t, "asked for again", []any{id, false, Succeeded}, []any{run.ID, created, run.Outcome})
			d := s.delivery("a")
			d.RunID = id
			same(s.t, "as a message", []string{"completed"}, verdicts(s.claim(d)))
		},
		"a_message_that_ran_is_the_same_request": func(s *scene) {
			d := s.delivery("a")
			s.finish(s.take(d))
			run, created := asked(s, d.RunID)
			same(s.t, "asked for", []any{d.RunID, false}, []any{run.ID, created})
		},
		"what_joined_stays_joined": func(s *scene) {
			owner := s.take(s.delivery("a"))
			id := newID(s.t)
			run, _ := asked(s, id)
			same(s.t, "joined", owner.RunID, run.ID)
			s.finish(owner)
			run, created := asked(s, id)
			same(s.t, "asked for again", []any{owner.RunID, false}, []any{run.ID, created})
			d := s.delivery("a")
			d.RunID = id
			same(s.t, "as a message", []string{"duplicate"}, verdicts(s.claim(d)))
		},
	})
}
