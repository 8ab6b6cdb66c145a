package oprun

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

// following is a new message of a type whose duplicates follow up.
func (s *scene) following(name string) Delivery {
	d := s.delivery(name)
	d.Follows, d.Input = true, []byte(`{"message": "`+d.RunID.String()+`"}`)
	return d
}

// takeFollowed claims a delivery whose run a follow-up may wait behind.
func (s *scene) takeFollowed(d Delivery) Hold {
	s.t.Helper()
	h := s.take(d)
	h.Follows = true
	return h
}

// behind puts a follow-up behind a new running owner of this identity.
func (s *scene) behind(name string, attempts int) (owner Hold, waiting uuid.UUID) {
	s.t.Helper()
	first, second := s.following(name), s.following(name)
	first.MaxAttempts = attempts
	owner = s.takeFollowed(first)
	same(s.t, "second message", dedupe.FollowUp, s.claim(second)[0].Verdict)
	return owner, second.RunID
}

// wantPromoted fails the test unless the run that waited is due, and may run.
func (s *scene) wantPromoted(id uuid.UUID) {
	s.t.Helper()
	run := s.run(id)
	same(s.t, "follow-up, status and publication", []any{false, "queued", 1}, []any{run.FollowUp, run.Status, run.DispatchNo})
	if run.DueAt.After(time.Now()) {
		s.t.Errorf("it is due at %s", run.DueAt)
	}
	named := s.following("named")
	named.RunID, named.Named = id, true
	answer := s.claim(named)[0]
	same(s.t, "claim and input", "execute "+`{"message": "`+id.String()+`"}`, answer.Verdict.String()+" "+string(answer.Input))
}

func TestFollowUp(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"one_message_waits_behind_a_running_owner_and_later_ones_join_it": func(s *scene) {
			owner, waiting := s.behind("a", 3)
			third := s.following("a")
			answer := s.claim(third)[0]
			same(s.t, "third", Answer{Verdict: dedupe.FollowUp, RunID: waiting}, answer)
			same(s.t, "active runs", 2, query[int](s, "select count(*) from oprun.operation_runs"))
			s.finish(owner)
			s.wantPromoted(waiting)
			same(s.t, "third, delivered again", []string{"follow_up"}, verdicts(s.claim(again(third))))
		},
		"what_waits_stays_a_follow_up_when_it_is_delivered_again": func(s *scene) {
			first, second := s.following("a"), s.following("a")
			h := s.takeFollowed(first)
			same(s.t, "second", []string{"follow_up"}, verdicts(s.claim(second)))
			same(s.t, "again", []string{"follow_up"}, verdicts(s.claim(again(second))))
			same(s.t, "recorded", 0, query[int](s, "select count(*) from oprun.operation_run_deliveries"))
			s.finish(h)
			same(s.t, "as the owner", []string{"execute"}, verdicts(s.claim(again(second))))
		},
		"behind_a_queued_owner_it_is_a_duplicate": func(s *scene) {
			run := s.ensure("a")
			d := s.following("a")
			same(s.t, "answer", []Answer{{Verdict: dedupe.Duplicate, RunID: run.ID}}, s.claim(d))
		},
		"a_workspace_has_follow_ups_too": func(s *scene) {
			first, second := s.following("a"), s.following("a")
			first.Identity.Scope = dedupe.Workspace(s.workspace.ID)
			second.Identity.Scope = first.Identity.Scope
			h := s.takeFollowed(first)
			same(s.t, "second", []string{"follow_up"}, verdicts(s.claim(second)))
			s.finish(h)
			same(s.t, "follow-up", false, s.run(second.RunID).FollowUp)
		},
		"a_batch_has_one_owner_and_one_follow_up": func(s *scene) {
			batch := []Delivery{s.following("a"), s.following("a"), s.following("a"), s.following("a")}
			counts := map[string]int{}
			for _, word := range verdicts(s.claim(batch...)) {
				counts[word]++
			}
			same(s.t, "answers", map[string]int{"execute": 1, "follow_up": 3}, counts)
			same(s.t, "runs", 2, query[int](s, "select count(*) from oprun.operation_runs"))
		},
		"a_retry_of_the_owner_does_not_meet_it": func(s *scene) {
			owner, waiting := s.behind("a", 3)
			same(s.t, "owner", Pending, s.requeue(Requeue{Hold: owner, Input: []byte(`{}`), Ended: AttemptFailed}))
			same(s.t, "it waits on", true, s.run(waiting).FollowUp)
			fourth := s.following("a")
			same(s.t, "a message behind a parked owner", []string{"duplicate"}, verdicts(s.claim(fourth)))
		},
	})
}

func TestPromotion(t *testing.T) {
	t.Parallel()
	// Each way in which an owner ends, in one transaction with the promotion of what waits behind it.
	ends := map[string]func(s *scene, owner Hold){
		"when_a_batch_of_results_ends_it": func(s *scene, owner Hold) { s.finish(owner) },
		"when_its_own_transaction_ends_it": func(s *scene, owner Hold) {
			must(s.t, pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error {
				return s.On(tx).Finish(s.t.Context(), succeeded(owner))
			}))
		},
		"when_no_attempt_is_left": func(s *scene, owner Hold) {
			same(s.t, "stands", Failed, s.requeue(Requeue{Hold: owner, Ended: AttemptFailed}))
		},
		"when_the_sweeper_ends_it": func(s *scene, owner Hold) {
			s.endLease(owner.RunID)
			same(s.t, "ended", 1, len(s.sweep().Ended))
		},
		"when_the_claim_ends_it": func(s *scene, owner Hold) {
			s.endLease(owner.RunID)
			d := s.following("a")
			d.RunID, d.StoredAt = owner.RunID, *s.run(owner.RunID).OriginTime
			same(s.t, "answer", []string{"exhausted"}, verdicts(s.claim(d)))
		},
		"when_housekeeping_ends_it": func(s *scene, owner Hold) {
			s.endLease(owner.RunID)
			ended, err := s.End(s.t.Context(), Ending{RunID: owner.RunID, Reason: StaleRunning})
			must(s.t, err)
			same(s.t, "ended", 1, len(ended))
		},
		"when_it_is_cancelled_while_it_is_parked": func(s *scene, owner Hold) {
			same(s.t, "stands", Pending, s.requeue(Requeue{Hold: owner, GiveBack: true, Input: []byte(`{}`)}))
			run, err := s.Cancel(s.t.Context(), owner.RunID, "tester", "")
			must(s.t, err)
			same(s.t, "outcome", Cancelled, run.Outcome)
		},
	}
	tests := map[string]func(s *scene){}
	for name, end := range ends {
		tests[name] = func(s *scene) {
			owner, waiting := s.behind("a", 1)
			end(s, owner)
			s.wantPromoted(waiting)
		}
	}
	scenes(t, tests)
}

// TestOrphans is about follow-ups whose owner ended without seeing them.
func TestOrphans(t *testing.T) {
	t.Parallel()
	unseen := func(s *scene) uuid.UUID {
		owner, waiting := s.behind("a", 1)
		owner.Follows = false
		s.finish(owner)
		same(s.t, "it waits behind nobody", true, s.run(waiting).FollowUp)
		s.exec("update oprun.operation_runs set due_at = now() where id = $1", waiting)
		return waiting
	}
	scenes(t, map[string]func(s *scene){
		"the_sweeper_promotes_it": func(s *scene) {
			waiting := unseen(s)
			same(s.t, "swept", Swept{Promoted: 1}, s.sweep())
			s.wantPromoted(waiting)
		},
		"it_waits_on_behind_a_new_owner": func(s *scene) {
			waiting := unseen(s)
			owner := s.takeFollowed(s.following("a"))
			same(s.t, "swept", Swept{}, s.sweep())
			if due := *s.run(waiting).DueAt; due.Before(time.Now()) || due.After(time.Now().Add(time.Minute)) {
				s.t.Errorf("the next look is at %s", due)
			}
			s.finish(owner)
			s.wantPromoted(waiting)
		},
		"a_new_owner_that_is_quicker_is_no_error": func(s *scene) {
			waiting := unseen(s)
			tx := s.open() // a caller is about to own the identity; the sweeper cannot see it yet
			_, created, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), s.request("a"))
			must(s.t, err)
			same(s.t, "created", true, created)
			var group errgroup.Group
			group.Go(func() error {
				_, err := s.Sweep(context.WithoutCancel(s.t.Context()), 10, time.Minute)
				return err
			})
			s.waitForLock()
			must(s.t, tx.Commit(s.t.Context()))
			must(s.t, group.Wait())
			same(s.t, "it waits", true, s.run(waiting).FollowUp)
		},
	})
}

// waitForLock waits until a statement waits for a lock in this database.
func (s *scene) waitForLock() {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if query[int](s, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0 {
			return
		}
	}
	s.t.Fatal("nobody waits for a lock")
}

func TestEnsureFollowUp(t *testing.T) {
	t.Parallel()
	follow := func(s *scene, input string) (Run, bool) {
		r := s.request("a")
		r.Follows, r.Input = true, []byte(input)
		run, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
		must(s.t, err)
		return run, created
	}
	scenes(t, map[string]func(s *scene){
		"a_queued_owner_is_joined_and_a_running_one_followed": func(s *scene) {
			owner, created := follow(s, `{"n": 1}`)
			same(s.t, "created", true, created)
			joined, created := follow(s, `{"n": 2}`)
			same(s.t, "joined", owner.ID.String()+" false", joined.ID.String()+map[bool]string{false: " false", true: " true"}[created])
			named := s.naming(owner)
			named.Follows = true
			h := s.takeFollowed(named)
			next, created := follow(s, `{"n": 3}`)
			same(s.t, "created and waits", []bool{true, true}, []bool{created, next.FollowUp})
			again, created := follow(s, `{"n": 4}`)
			same(s.t, "joined", []any{next.ID, false}, []any{again.ID, created})
			s.finish(h)
			answer := s.claim(s.naming(next))[0]
			same(s.t, "its own input", `execute {"n": 3}`, answer.Verdict.String()+" "+string(answer.Input))
		},
		"one_that_is_for_later_is_due_then": func(s *scene) {
			owner, _ := follow(s, `{"n": 1}`)
			named := s.naming(owner)
			named.Follows = true
			h := s.takeFollowed(named)
			r := s.request("a")
			r.Follows, r.RunAt = true, time.Now().Add(time.Hour).Truncate(time.Microsecond)
			next, created, err := s.EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "created and waits", []bool{true, true}, []bool{created, next.FollowUp})
			s.finish(h)
			promoted := s.run(next.ID)
			same(s.t, "promoted, due", []any{false, r.RunAt}, []any{promoted.FollowUp, promoted.DueAt.Local()})
		},
		"what_a_caller_joins_does_not_start_before_the_commit": func(s *scene) {
			owner, _ := follow(s, `{"n": 1}`)
			tx := s.open()
			r := s.request("a")
			r.Follows = true
			joined, created, err := s.On(tx).EnsureRunWithIdentity(s.t.Context(), r)
			must(s.t, err)
			same(s.t, "joined", []any{owner.ID, false}, []any{joined.ID, created})
			same(s.t, "before the commit", []string{"busy"}, verdicts(s.claim(s.naming(owner))))
			must(s.t, tx.Commit(s.t.Context()))
			same(s.t, "after it", []string{"execute"}, verdicts(s.claim(s.naming(owner))))
		},
	})
}
