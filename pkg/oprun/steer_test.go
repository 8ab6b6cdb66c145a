package oprun

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	cancel := func(s *scene, id uuid.UUID) Run {
		run, err := s.Cancel(s.t.Context(), id, "ada", "not needed\nany more")
		must(s.t, err)
		return run
	}
	scenes(t, map[string]func(s *scene){
		"a_queued_run_ends_at_once": func(s *scene) {
			run := cancel(s, s.ensure("a").ID)
			same(s.t, "outcome", []any{"completed", Cancelled}, []any{run.Status, run.Outcome})
			same(s.t, "why", `{"cancellation": {"by": "ada", "cause": "operator", "reason": "not needed any more"}}`, string(run.Context))
			same(s.t, "its message", []string{"completed"}, verdicts(s.claim(s.naming(run))))
			same(s.t, "input", `{"asked": "a"}`, query[string](s, "select input::text from oprun.operation_runs"))
		},
		"a_running_one_keeps_its_identity_until_its_owner_ends_it": func(s *scene) {
			h := s.take(s.delivery("a"))
			run := cancel(s, h.RunID)
			same(s.t, "status", "running", run.Status)
			same(s.t, "another message", []string{"duplicate"}, verdicts(s.claim(s.delivery("a"))))
			same(s.t, "heartbeat", true, s.extend(h)[h.RunID].CancelRequested)
			same(s.t, "parked", Cancelled, s.requeue(Requeue{Hold: h, Ended: AttemptCancelled, Cause: ByOperator}))
			attempts, err := s.Attempts(s.t.Context(), h.RunID)
			must(s.t, err)
			same(s.t, "attempt", []any{AttemptCancelled, ByOperator}, []any{attempts[0].Result, attempts[0].Cause})
		},
		"a_success_that_comes_meanwhile_stands": func(s *scene) {
			h := s.take(s.delivery("a"))
			cancel(s, h.RunID)
			s.finish(h)
			same(s.t, "outcome", Succeeded, s.run(h.RunID).Outcome)
		},
		"the_sweeper_ends_one_whose_worker_is_dead": func(s *scene) {
			h := s.take(s.delivery("a"))
			cancel(s, h.RunID)
			s.endLease(h.RunID)
			same(s.t, "swept", Swept{Ended: []Ended{{RunID: h.RunID, Type: jobType, Outcome: Cancelled}}}, s.sweep())
		},
		"one_that_has_ended_stays_as_it_is": func(s *scene) {
			h := s.take(s.delivery("a"))
			s.finish(h)
			before := s.run(h.RunID)
			same(s.t, "run", before, cancel(s, h.RunID))
		},
		"a_follow_up_is_cancelled_and_its_owner_goes_on": func(s *scene) {
			owner, waiting := s.behind("a", 1)
			same(s.t, "outcome", Cancelled, cancel(s, waiting).Outcome)
			s.finish(owner)
		},
		"an_unknown_one_is_not_found": func(s *scene) {
			if _, err := s.Cancel(s.t.Context(), uuid.New(), "", ""); !errors.Is(err, ErrNotFound) {
				s.t.Errorf("the error is %v", err)
			}
		},
	})
}

func TestRetryOfATerminalRun(t *testing.T) {
	t.Parallel()
	failed := func(s *scene, input string) Hold {
		h := s.take(s.delivery("a"))
		_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Failed, Ended: AttemptFailed, Input: []byte(input)}})
		must(s.t, err)
		return h
	}
	scenes(t, map[string]func(s *scene){
		"is_a_new_run_with_the_old_input": func(s *scene) {
			h := failed(s, `{"n": 1}`)
			before := s.run(h.RunID)
			run, err := s.Retry(s.t.Context(), h.RunID, "ada", nil)
			must(s.t, err)
			same(s.t, "context", `{"retry_of": "`+h.RunID.String()+`"}`, string(run.Context))
			same(s.t, "who and what", []any{"ada", "queued", before.IdentityHash}, []any{run.InitiatorName, run.Status, run.IdentityHash})
			before.Context = []byte(`{"retried_as": "` + run.ID.String() + `"}`)
			same(s.t, "the old one", before, s.run(h.RunID))
			same(s.t, "input", `{"n": 1}`, string(s.claim(s.naming(run))[0].Input))
		},
		"is_refused_while_the_identity_is_taken": func(s *scene) {
			h := failed(s, `{}`)
			owner := s.take(s.delivery("a"))
			_, err := s.Retry(s.t.Context(), h.RunID, "", nil)
			var active *ActiveRunError
			if !errors.As(err, &active) || active.RunID != owner.RunID {
				s.t.Errorf("the error is %v", err)
			}
			if _, err = s.Retry(s.t.Context(), owner.RunID, "", nil); !errors.Is(err, ErrActive) {
				s.t.Errorf("an active run: %v", err)
			}
		},
		"is_made_once_and_then_it_is_the_new_run_that_can_be_tried_again": func(s *scene) {
			h := failed(s, `{}`)
			retry := func(id uuid.UUID) Run {
				run, err := s.Retry(s.t.Context(), id, "", nil)
				must(s.t, err)
				return run
			}
			refused := func(id, names uuid.UUID) {
				s.t.Helper()
				_, err := s.Retry(s.t.Context(), id, "", []byte(`{}`))
				if retried, ok := errors.AsType[*RetriedError](err); !ok || retried.RunID != names {
					s.t.Errorf("the error is %v, want one that names run %s", err, names)
				}
			}
			again := retry(h.RunID)
			_, err := s.Finish(s.t.Context(), []Result{{Hold: s.take(s.naming(again)), Outcome: Failed, Ended: AttemptFailed, Input: []byte(`{}`)}})
			must(s.t, err)
			refused(h.RunID, again.ID)
			last := retry(again.ID)
			s.finish(s.take(s.naming(last)))
			refused(h.RunID, again.ID)
			refused(again.ID, last.ID)
		},
		"is_made_once_by_two_who_ask_at_the_same_time": func(s *scene) {
			h := failed(s, `{}`)
			var made atomic.Int32
			var group errgroup.Group
			for range 8 {
				group.Go(func() error {
					if _, err := s.Retry(s.t.Context(), h.RunID, "", nil); err == nil {
						made.Add(1)
					} else if _, ok := errors.AsType[*ActiveRunError](err); !ok {
						return err
					}
					return nil
				})
			}
			must(s.t, group.Wait())
			same(s.t, "retries", 1, made.Load())
		},
		"is_not_made_of_a_success": func(s *scene) {
			run := s.ensure("a") // it keeps its input
			s.finish(s.take(s.naming(run)))
			if _, err := s.Retry(s.t.Context(), run.ID, "", nil); !errors.Is(err, ErrSucceeded) {
				s.t.Errorf("the error is %v", err)
			}
		},
		"needs_an_input": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			h := s.take(d)
			s.endLease(h.RunID)
			same(s.t, "ended", 1, len(s.sweep().Ended))
			if _, err := s.Retry(s.t.Context(), h.RunID, "", nil); !errors.Is(err, ErrNoInput) {
				s.t.Errorf("the error is %v", err)
			}
			run, err := s.Retry(s.t.Context(), h.RunID, "", []byte(`{"read": "back"}`))
			must(s.t, err)
			same(s.t, "input", `{"read": "back"}`, string(s.claim(s.naming(run))[0].Input))
		},
		"of_an_unknown_run_is_not_found": func(s *scene) {
			if _, err := s.Retry(s.t.Context(), uuid.New(), "", nil); !errors.Is(err, ErrNotFound) {
				s.t.Errorf("the error is %v", err)
			}
		},
	})
}

func TestEndOfARunThatNobodyHolds(t *testing.T) {
	t.Parallel()
	end := func(s *scene, e Ending) int {
		ended, err := s.End(s.t.Context(), e)
		must(s.t, err)
		return len(ended)
	}
	scenes(t, map[string]func(s *scene){
		"a_queued_run_ends_with_its_reason_and_a_note": func(s *scene) {
			run := s.ensure("a")
			same(s.t, "ended", 1, end(s, Ending{RunID: run.ID, Reason: StaleQueued, Note: map[string]any{"by": "test"}}))
			run = s.run(run.ID)
			same(s.t, "code", "run.stale_queued", run.FailureSummary[0].Code)
			same(s.t, "freshness and problem", []any{ReconciledFailed, TerminalFollowUp}, []any{run.Freshness, run.Problem})
			var noted struct{ Reconciliation map[string]string }
			must(s.t, json.Unmarshal(run.Context, &noted))
			delete(noted.Reconciliation, "at")
			same(s.t, "note", map[string]string{"by": "test", "reason": "run.stale_queued"}, noted.Reconciliation)
			same(s.t, "ended again", 0, end(s, Ending{RunID: run.ID, Reason: StaleQueued}))
		},
		"a_run_under_a_live_lease_is_left_alone": func(s *scene) {
			h := s.take(s.delivery("a"))
			same(s.t, "ended", 0, end(s, Ending{RunID: h.RunID, Reason: StaleRunning}))
			s.endLease(h.RunID)
			same(s.t, "after its lease", 1, end(s, Ending{RunID: h.RunID, Reason: AdapterOutOfSync, Outcome: Succeeded}))
			run := s.run(h.RunID)
			same(s.t, "outcome", []any{Succeeded, TerminalNormal}, []any{run.Outcome, run.Freshness})
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(h.RunID))
			done, err := s.Finish(s.t.Context(), []Result{succeeded(h)})
			must(s.t, err)
			same(s.t, "its attempt is fenced", 0, len(done))
		},
	})
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	declare := func(s *scene, stale time.Duration) {
		must(s.t, s.DeclareTypes(s.t.Context(), []JobType{{Type: jobType, Label: jobType, StaleQueued: stale, StaleRunning: 2 * stale}}))
	}
	state := func(s *scene, id uuid.UUID) []any {
		run := s.run(id)
		return []any{run.Freshness, run.Problem}
	}
	scenes(t, map[string]func(s *scene){
		"is_unknown_until_a_worker_tells_what_stale_means": func(s *scene) {
			run := s.ensure("a")
			same(s.t, "before", []any{UnknownFreshness, NoProblem}, state(s, run.ID))
			declare(s, time.Hour)
			same(s.t, "after", []any{FreshActive, NoProblem}, state(s, run.ID))
		},
		"a_queued_run_is_stale_after_its_types_time": func(s *scene) {
			declare(s, time.Hour)
			run := s.ensure("a")
			s.exec("update oprun.operation_runs set created_at = now() - interval '61 min', run_at = now() - interval '61 min'")
			same(s.t, "stale", []any{LikelyStale, ActiveStaleAttention}, state(s, run.ID))
			runs, err := s.Runs(s.t.Context(), RunFilter{Freshness: LikelyStale, Problem: ActiveStaleAttention})
			must(s.t, err)
			same(s.t, "listed", 1, len(runs))
			s.exec("update oprun.operation_runs set run_at = now() + interval '1 h'")
			same(s.t, "one that is for later", []any{FreshActive, NoProblem}, state(s, run.ID))
			s.exec("update oprun.operation_runs set run_at = created_at, due_at = 'infinity'")
			same(s.t, "one that is parked", []any{FreshActive, NoProblem}, state(s, run.ID))
		},
		"a_running_one_counts_from_its_claim_and_no_heartbeat_renews_that": func(s *scene) {
			declare(s, time.Hour)
			h := s.take(s.delivery("a"))
			same(s.t, "at first", []any{FreshActive, NoProblem}, state(s, h.RunID))
			s.exec("update oprun.operation_runs set updated_at = now() - interval '121 min', due_at = now()")
			same(s.t, "held", 1, len(s.extend(h)))
			same(s.t, "looked at", Swept{Extended: 1}, s.sweep())
			same(s.t, "stale", []any{LikelyStale, ActiveStaleAttention}, state(s, h.RunID))
		},
		"what_ended_is_normal_or_to_be_followed_up": func(s *scene) {
			for outcome, problem := range map[Outcome]Problem{
				Succeeded: NoProblem, PartiallySucceeded: TerminalFollowUp, Blocked: TerminalFollowUp, Failed: TerminalFollowUp, Cancelled: NoProblem,
			} {
				h := s.take(s.delivery(string(outcome)))
				_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: outcome, Ended: AttemptSucceeded}})
				must(s.t, err)
				same(s.t, string(outcome), []any{TerminalNormal, problem}, state(s, h.RunID))
			}
		},
	})
}

// TestCancelAmongClaims cancels runs while others claim and park them. Postgres judges a CHECK on the row of the
// snapshot too: a statement that mixed it with the locked row would fail.
func TestCancelAmongClaims(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	const runs = 300
	for i := range runs {
		d := s.delivery(fmt.Sprint("job ", i))
		group, ctx := errgroup.WithContext(t.Context())
		group.Go(func() error {
			answers, err := s.Claim(ctx, s.who, []Delivery{d})
			if err != nil || answers[0].Verdict != dedupe.Execute {
				return err
			}
			parked := Requeue{Hold: hold(d, answers[0]), GiveBack: true, Input: []byte(`{}`)}
			if _, err := s.Requeue(ctx, []Requeue{parked}); err != nil {
				return err
			}
			_, err = s.Claim(ctx, s.who, []Delivery{again(d)})
			return err
		})
		group.Go(func() error {
			for {
				run, err := s.Cancel(ctx, d.RunID, "", "")
				if err == nil && (run.Status == "completed" || run.CancelRequestedAt != nil) {
					return nil
				}
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
			}
		})
		must(t, group.Wait())
	}
}
