package oprun

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func TestClaim(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_new_delivery_may_run": func(s *scene) {
			d := s.delivery("a")
			same(s.t, "answer", Answer{Verdict: dedupe.Execute, RunID: d.RunID, Attempt: 1, MaxAttempts: 3}, s.claim(d)[0])
			run := s.run(d.RunID)
			same(s.t, "status", "running", run.Status)
			same(s.t, "worker", s.who.Worker, *run.ClaimedBy)
			same(s.t, "origin", "JOBS/7", fmt.Sprint(*run.OriginStream, "/", *run.OriginSeq))
			same(s.t, "lease and AckWait", time.Minute+time.Second, run.DueAt.Sub(run.CreatedAt).Round(time.Second))
		},
		"what_a_delivery_leaves_out_has_a_default": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts, d.Initiator = 0, ""
			same(s.t, "max attempts", DefaultMaxAttempts, s.claim(d)[0].MaxAttempts)
			same(s.t, "initiator", "system", s.run(d.RunID).InitiatorName)
		},
		"a_workspace_has_identities_of_its_own": func(s *scene) {
			tenants, workspaces := s.delivery("a"), s.delivery("a")
			workspaces.Identity.Scope = dedupe.Workspace(s.workspace.ID)
			same(s.t, "answers", []string{"execute", "execute"}, verdicts(s.claim(tenants, workspaces)))
			same(s.t, "duplicate", []string{"duplicate"}, verdicts(s.claim(Delivery{
				RunID: newID(s.t), Identity: workspaces.Identity, Token: uuid.New(), Lease: time.Minute,
			})))
			if run := s.run(workspaces.RunID); run.TenantID != nil || run.WorkspaceID != s.workspace.ID {
				s.t.Errorf("the workspace's run is tenant %v's in workspace %s", run.TenantID, run.WorkspaceID)
			}
		},
		"a_second_request_for_an_identity_is_a_duplicate_of_its_owner": func(s *scene) {
			owner := s.delivery("a")
			s.take(owner)
			same(s.t, "answer", Answer{Verdict: dedupe.Duplicate, RunID: owner.RunID}, s.claim(s.delivery("a"))[0])
		},
		"in_one_batch_one_request_of_an_identity_runs": func(s *scene) {
			answers := s.claim(s.delivery("a"), s.delivery("b"), s.delivery("a"), s.delivery("a"))
			words := verdicts(answers)
			slices.Sort(words)
			same(s.t, "answers", []string{"duplicate", "duplicate", "execute", "execute"}, words)
		},
		"a_duplicate_stays_one_when_it_is_delivered_again_after_the_owner_ended": func(s *scene) {
			owner, duplicate := s.delivery("a"), s.delivery("a")
			h := s.take(owner)
			s.claim(duplicate)
			s.finish(h)
			want := Answer{Verdict: dedupe.Duplicate, RunID: owner.RunID}
			same(s.t, "answer", want, s.claim(again(duplicate))[0])
			same(s.t, "once more", want, s.claim(again(duplicate))[0])
			same(s.t, "a new request", "execute", verdicts(s.claim(s.delivery("a")))[0])
		},
		"second_delivery_of_a_finished_run_is_completed": func(s *scene) {
			d := s.delivery("a")
			s.finish(s.take(d))
			same(s.t, "answer", Answer{Verdict: dedupe.Completed, RunID: d.RunID, Attempt: 1, MaxAttempts: 3}, s.claim(again(d))[0])
		},
		"a_run_under_a_live_lease_is_busy_until_the_lease_ends": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			answer := s.claim(again(d))[0]
			same(s.t, "verdict", dedupe.Busy, answer.Verdict)
			if answer.RetryIn <= 58*time.Second || answer.RetryIn > time.Minute {
				s.t.Errorf("come back in %s, the lease is a minute", answer.RetryIn)
			}
		},
		"two_copies_of_one_run_in_one_batch_run_once": func(s *scene) {
			d := s.delivery("a")
			same(s.t, "answers", []string{"execute", "busy"}, verdicts(s.claim(d, again(d))))
			s.endLease(d.RunID)
			same(s.t, "take-over", []string{"execute", "busy"}, verdicts(s.claim(again(d), again(d))))
			same(s.t, "attempt", 2, s.run(d.RunID).Attempt)
		},
		"no_deliveries_are_no_question": func(s *scene) {
			same(s.t, "answers", []Answer{}, s.claim())
		},
	})
}

func TestClaimTakesOver(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_run_whose_lease_has_ended_has_a_second_attempt": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			started := s.run(d.RunID).StartedAt
			s.endLease(d.RunID)
			same(s.t, "answer", Answer{Verdict: dedupe.Execute, RunID: d.RunID, Attempt: 2, MaxAttempts: 3, TookOver: true}, s.claim(again(d))[0])
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(d.RunID))
			same(s.t, "start", started, s.run(d.RunID).StartedAt)
		},
		"a_run_without_attempts_left_ends_as_failed": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			s.take(d)
			s.endLease(d.RunID)
			same(s.t, "verdict", dedupe.Exhausted, s.claim(again(d))[0].Verdict)
			run := s.run(d.RunID)
			same(s.t, "outcome", Failed, run.Outcome)
			same(s.t, "code", "run.crash_loop", run.FailureSummary[0].Code)
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(d.RunID))
			same(s.t, "next delivery", dedupe.Completed, s.claim(again(d))[0].Verdict)
		},
		"a_run_that_should_be_cancelled_ends_when_nobody_holds_it": func(s *scene) {
			d := s.delivery("a")
			s.take(d)
			s.exec("update oprun.operation_runs set cancel_requested_at = now()")
			same(s.t, "while it runs", dedupe.Busy, s.claim(again(d))[0].Verdict)
			s.endLease(d.RunID)
			same(s.t, "verdict", dedupe.Cancelled, s.claim(again(d))[0].Verdict)
			same(s.t, "outcome", Cancelled, s.run(d.RunID).Outcome)
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(d.RunID))
		},
		"the_same_claim_sent_again_is_the_same_attempt": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			want := s.claim(d)
			for _, left := range []string{"1 s", "-1 s"} {
				s.exec("update oprun.operation_runs set lease_expires_at = now() + $1::interval", left)
				same(s.t, "answer, "+left+" before the lease ends", want, s.claim(d))
				if run := s.run(d.RunID); time.Until(*run.LeaseExpiresAt) < 50*time.Second {
					s.t.Errorf("the attempt was handed out with a lease until %s", run.LeaseExpiresAt)
				}
			}
			same(s.t, "attempts", nil, s.attempts(d.RunID))
		},
		"a_run_that_waits_for_its_time_is_not_due": func(s *scene) {
			d := s.delivery("a")
			h := s.take(d)
			s.requeue(Requeue{Hold: h, Delay: time.Hour, Input: []byte(`{}`), Ended: AttemptFailed})
			same(s.t, "verdict", dedupe.NotDue, s.claim(again(d))[0].Verdict)
			s.exec("update oprun.operation_runs set run_at = now() - interval '1 s'")
			same(s.t, "answer", Answer{
				Verdict: dedupe.Execute, RunID: d.RunID, Attempt: 2, MaxAttempts: 3, Input: []byte(`{}`),
			}, s.claim(again(d))[0])
		},
	})
}

func TestClaimRefuses(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_scope_that_the_ledger_does_not_know": func(s *scene) {
			for _, scope := range []dedupe.Scope{
				dedupe.Tenant(uuid.New()), dedupe.Workspace(uuid.New()),
				dedupe.Tenant(s.workspace.ID), dedupe.Workspace(s.tenant.ExternalID), dedupe.Tenant(s.tenant.ID),
			} {
				d := s.delivery("a")
				d.Identity.Scope = scope
				same(s.t, scope.String(), []string{"rejected", "execute"}, verdicts(s.claim(d, s.delivery(scope.String()))))
			}
		},
		"a_run_that_it_does_not_have": func(s *scene) {
			d := s.delivery("a")
			d.Named = true
			same(s.t, "verdict", dedupe.UnknownRun, s.claim(d)[0].Verdict)
		},
		"the_run_of_another_tenant": func(s *scene) {
			run := s.ensure("a")
			other, _, err := s.AddTenant(s.t.Context(), s.workspace.ID, "other")
			must(s.t, err)
			d := s.naming(run)
			d.Identity.Scope = dedupe.Tenant(other.ExternalID)
			same(s.t, "verdict", dedupe.UnknownRun, s.claim(d)[0].Verdict)
			d.Identity.Scope = dedupe.Workspace(s.workspace.ID)
			same(s.t, "verdict in the workspace", dedupe.UnknownRun, s.claim(d)[0].Verdict)
			same(s.t, "attempt", 0, s.run(run.ID).Attempt)
		},
		"the_run_of_another_type": func(s *scene) {
			d := s.naming(s.ensure("a"))
			d.Identity.Type = "assignments.restore"
			same(s.t, "verdict", dedupe.UnknownRun, s.claim(d)[0].Verdict)
		},
	})
}
