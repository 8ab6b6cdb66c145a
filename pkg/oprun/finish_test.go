package oprun

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// effects makes a table for the effects of handlers; it accepts any number for one run, so that a test can count.
func (s *scene) effects() {
	s.t.Helper()
	s.exec("create table effects (run_id uuid not null)")
}

// commit does what a handler's commit does: an effect and the end of the run in one transaction.
func (s *scene) commit(r Result) error {
	s.t.Helper()
	tx, err := s.Begin(s.t.Context())
	must(s.t, err)
	_, err = tx.Exec(s.t.Context(), "insert into effects values ($1)", r.RunID)
	must(s.t, err)
	defer func() { _ = tx.Rollback(s.t.Context()) }()
	return tx.Land(s.t.Context(), r)
}

// takeOver lets the lease of a run end and claims it for another attempt.
func (s *scene) takeOver(d Delivery) Hold {
	s.t.Helper()
	s.endLease(d.RunID)
	return s.take(again(d))
}

func TestFinish(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"each_run_of_a_batch_has_its_own_end": func(s *scene) {
			a, b, late := s.take(s.delivery("a")), s.take(s.delivery("b")), s.delivery("c")
			lost := s.take(late)
			s.takeOver(late)
			done, err := s.Finish(s.t.Context(), []Result{
				{Hold: a, Outcome: Succeeded, Counts: map[string]int64{"total": 3}, Ended: AttemptSucceeded},
				succeeded(lost),
				{
					Hold: b, Outcome: Failed, Failures: []Failure{{Code: "http.status", Message: "404", Count: 2}},
					Input: []byte(`{"n": 1.0, "s": "\u0000"}`), Ended: AttemptFailed, Error: "status\x00 404",
				},
			})
			must(s.t, err)
			same(s.t, "finished", map[uuid.UUID]bool{a.RunID: true, b.RunID: true}, done)
			run := s.run(b.RunID)
			same(s.t, "outcomes", []Outcome{Succeeded, Failed, Pending}, []Outcome{s.run(a.RunID).Outcome, run.Outcome, s.run(lost.RunID).Outcome})
			same(s.t, "counts", map[string]int64{"total": 3}, s.run(a.RunID).SummaryCounts)
			same(s.t, "failures", []Failure{{Code: "http.status", Message: "404", Count: 2}}, run.FailureSummary)
			same(s.t, "input, byte for byte", `{"n": 1.0, "s": "\u0000"}`,
				query[string](s, "select input::text from oprun.operation_runs where id = $1", b.RunID))
			attempts, err := s.Attempts(s.t.Context(), b.RunID)
			must(s.t, err)
			same(s.t, "error", "status\uFFFD 404", attempts[0].Error)
		},
		"a_success_at_the_first_attempt_records_no_attempt": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.finish(h)
			same(s.t, "attempts", nil, s.attempts(h.RunID))
		},
		"a_success_at_the_second_attempt_records_both": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			s.finish(s.takeOver(d))
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned, AttemptSucceeded}, s.attempts(d.RunID))
		},
		"an_input_that_the_row_has_is_never_replaced": func(s *scene) {
			h := s.take(s.naming(s.ensure("a")))
			_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Failed, Ended: AttemptFailed, Input: []byte(`{}`)}})
			must(s.t, err)
			same(s.t, "input", `{"asked": "a"}`, query[string](s, "select input::text from oprun.operation_runs"))
		},
		"a_run_that_has_ended_stays_as_it_is": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.finish(h)
			before := s.run(h.RunID)
			done, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Failed, Ended: AttemptFailed}})
			must(s.t, err)
			same(s.t, "finished", nil, done)
			same(s.t, "run", before, s.run(h.RunID))
		},
		"an_end_wins_over_a_cancel_that_was_requested_meanwhile": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.exec("update oprun.operation_runs set cancel_requested_at = now()")
			s.finish(h)
			same(s.t, "outcome", Succeeded, s.run(h.RunID).Outcome)
		},
		"effects_and_the_end_of_the_run_are_one_commit": func(s *scene) {
			s.effects()
			h := s.take(s.delivery("a"))
			must(s.t, s.commit(succeeded(h)))
			same(s.t, "outcome", Succeeded, s.run(h.RunID).Outcome)
			same(s.t, "effects", 1, query[int](s, "select count(*) from effects where run_id = $1", h.RunID))
		},
		"the_settings_of_the_callers_session_survive": func(s *scene) {
			conn, err := s.pool.Acquire(s.t.Context())
			must(s.t, err)
			defer conn.Release()
			tx, err := conn.Begin(s.t.Context())
			must(s.t, err)
			must(s.t, s.On(tx).Finish(s.t.Context(), succeeded(s.take(s.delivery("a")))))
			must(s.t, tx.Commit(s.t.Context()))
			var plans, scans string
			must(s.t, conn.QueryRow(s.t.Context(), "select current_setting('plan_cache_mode'), current_setting('enable_seqscan')").Scan(&plans, &scans))
			same(s.t, "settings", "auto on", plans+" "+scans)
		},
	})
}

func TestFence(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_late_finish_writes_nothing": func(s *scene) {
			d := s.delivery("a")
			late := s.take(d)
			now := s.takeOver(d)
			before := s.run(d.RunID)
			done, err := s.Finish(s.t.Context(), []Result{{
				Hold: late, Outcome: Failed, Ended: AttemptFailed, Error: "late", Input: []byte(`{}`), Counts: map[string]int64{"total": 1},
			}})
			must(s.t, err)
			same(s.t, "finished", nil, done)
			same(s.t, "run", before, s.run(d.RunID))
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(d.RunID))
			s.finish(now)
		},
		"a_late_commit_leaves_no_effect": func(s *scene) {
			s.effects()
			d := s.delivery("a")
			late := s.take(d)
			now := s.takeOver(d)
			for _, what := range []string{"while the other attempt runs", "after it has ended"} {
				err := s.commit(succeeded(late))
				if !IsFenced(err) || !errors.Is(err, ErrFenced) || Unavailable(err) || !strings.Contains(err.Error(), d.RunID.String()) {
					s.t.Errorf("%s: %v", what, err)
				}
				same(s.t, "effects "+what, 0, query[int](s, "select count(*) from effects where run_id = $1 and $2 <> ''", d.RunID, what))
				if what == "while the other attempt runs" {
					s.finish(now)
				}
			}
			s.effectsOf(now)
		},
		"a_late_attempt_is_recorded_as_fenced": func(s *scene) {
			d := s.delivery("a")
			late := s.take(d)
			now := s.takeOver(d)
			must(s.t, s.Fence(s.t.Context(), s.who.Worker, []Hold{late}))
			must(s.t, s.Fence(s.t.Context(), s.who.Worker, []Hold{late}))
			same(s.t, "attempts", []AttemptResult{AttemptFenced}, s.attempts(d.RunID))
			s.finish(now)
			same(s.t, "attempts at the end", []AttemptResult{AttemptFenced, AttemptSucceeded}, s.attempts(d.RunID))
		},
		"an_attempt_that_did_end_is_not_recorded_as_fenced": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.requeue(Requeue{Hold: h, Ended: AttemptFailed, Input: []byte(`{}`)}) // its answer is lost, and the second one says "fenced"
			must(s.t, s.Fence(s.t.Context(), s.who.Worker, []Hold{h}))
			same(s.t, "attempts", []AttemptResult{AttemptFailed}, s.attempts(h.RunID))
		},
		"a_fenced_attempt_that_nobody_had_recorded_is_recorded": func(s *scene) {
			// After a failover that lost a claim both executors had attempt 1: only the token tells them apart.
			d := s.delivery("a")
			lost := s.take(d)
			lost.Token = uuid.New()
			must(s.t, s.Fence(s.t.Context(), s.who.Worker, []Hold{lost}))
			same(s.t, "attempts", []AttemptResult{AttemptFenced}, s.attempts(d.RunID))
		},
	})
}

// effectsOf lets the owner try to commit an effect for a run that it has ended already: there must be none.
func (s *scene) effectsOf(h Hold) {
	s.t.Helper()
	if err := s.commit(succeeded(h)); !IsFenced(err) {
		s.t.Errorf("a second end of the run: %v", err)
	}
	same(s.t, "effects", 0, query[int](s, "select count(*) from effects where run_id = $1", h.RunID))
}
