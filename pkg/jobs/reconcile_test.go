package jobs

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/oprun"
)

func TestReconcile(t *testing.T) {
	t.Parallel()

	t.Run("ends what the domain has ended, a success only with proof, and twice changes nothing more", func(t *testing.T) {
		t.Parallel()
		s, domain := newExports(t)
		proven, failed, cancelled, taken := s.waiting("proven"), s.waiting("failed"), s.waiting("cancelled"), s.left("partial")
		weak, working, unheard := s.waiting("weak"), s.left("working"), s.waiting("made up")
		early := s.waiting("early")
		s.export("proven", "succeeded", proven)
		s.export("failed", "failed", uuid.Nil) // no proof, but the run is stale as well
		s.stale(failed)
		s.export("cancelled", "cancelled", cancelled)
		s.export("early", "failed", uuid.Nil) // the record of an earlier job, it may be
		s.export("partial", "partially_succeeded", taken)
		s.export("weak", "succeeded", uuid.New()) // another run made it
		s.export("working", "working", working)
		s.export("made up", "pending", unheard) // no outcome
		w := s.start(writing(), Config{Adapters: map[string]Adapter{testType: domain}})

		s.reconcile(`{"dry_run":true}`, 8, 4)
		s.wantUntouched(proven, failed, cancelled, taken, weak, working, unheard, early)
		by := s.reconcile(`{}`, 8, 4).ID.String()
		s.wantReconciled(proven, oprun.Succeeded, oprun.AdapterOutOfSync, by)
		s.wantReconciled(failed, oprun.Failed, oprun.AdapterOutOfSync, by)
		s.wantReconciled(cancelled, oprun.Cancelled, oprun.AdapterOutOfSync, by)
		s.wantReconciled(taken, oprun.PartiallySucceeded, oprun.AdapterOutOfSync, by)
		if got := s.attempts(taken); !cmp.Equal(got, []oprun.AttemptResult{oprun.AttemptAbandoned}) {
			t.Errorf("the attempts of the run whose worker was gone are %v", got)
		}
		before := s.run(proven)
		s.reconcile(`{}`, 4, 0)
		s.wantUntouched(weak, working, unheard, early)
		if diff := cmp.Diff(before, s.run(proven)); diff != "" {
			t.Errorf("a reconciled run changed (-before +after):\n%s", diff)
		}
		s.wantMetrics(w, map[oprun.EndReason]int{oprun.AdapterOutOfSync: 4})
		for outcome, n := range map[oprun.Outcome]float64{oprun.Succeeded: 1, oprun.Failed: 1, oprun.Cancelled: 1, oprun.PartiallySucceeded: 1} {
			if got := w.metric(t, "runs_total", "job_type="+testType, "outcome="+string(outcome)); got != n {
				t.Errorf("%v runs are counted as %s, want %v", got, outcome, n)
			}
		}
	})

	t.Run("ends as stale only what the domain has no work for", func(t *testing.T) {
		t.Parallel()
		s, domain := newExports(t)
		queued, running := s.waiting("queued"), s.left("running")
		working, fresh := s.waiting("working"), s.waiting("fresh")
		s.export("working", "working", uuid.Nil)
		s.stale(queued, running, working)
		w := s.start(writing(), Config{Adapters: map[string]Adapter{testType: domain}})
		by := s.reconcile(`{}`, 4, 2).ID.String()
		s.wantReconciled(queued, oprun.Failed, oprun.StaleQueued, by)
		s.wantReconciled(running, oprun.Failed, oprun.StaleRunning, by)
		s.wantUntouched(working, fresh)
		s.wantMetrics(w, map[oprun.EndReason]int{oprun.StaleQueued: 1, oprun.StaleRunning: 1})
	})

	t.Run("reports stale runs of a type without adapter, and leaves them", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		stale, fresh := s.waiting("stale"), s.waiting("fresh")
		s.stale(stale)
		s.start(writing(), Config{})
		s.reconcile(`{}`, 1, 0)
		s.wantUntouched(stale, fresh)
	})

	t.Run("looks at the types and tenants it is told, and at no more than it may", func(t *testing.T) {
		t.Parallel()
		s, domain := newExports(t)
		for _, name := range []string{"a", "b", "c"} {
			s.export(name, "failed", s.waiting(name))
		}
		s.start(writing(), Config{Adapters: map[string]Adapter{testType: domain}})
		s.reconcile(`{"types":["test.other"]}`, 0, 0)
		s.reconcile(`{"tenants":["`+uuid.NewString()+`"]}`, 0, 0)
		s.reconcile(`{"types":["`+testType+`"],"tenants":["`+s.tenant.String()+`"],"limit":1}`, 1, 1)
		s.reconcile(`{"limit":2,"dry_run":true}`, 2, 2)
		s.reconcile(`{"limit":3}`, 2, 2)
	})

	t.Run("looks at all of them, page by page", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		const many = 2*candidatePage + 1
		like := s.waiting("many")
		s.stale(like)
		s.exec(`insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, max_attempts, due_at, run_at, created_at, input)
			select gen_random_uuid(), workspace_id, tenant_id, type, sha256(n::text::bytea), status, 1, due_at, run_at, created_at, input
			from oprun.operation_runs, generate_series(2, $2) n where id = $1`, like, many)
		w := s.start(writing(), Config{Adapters: map[string]Adapter{testType: allGone{}}})
		s.reconcile(`{}`, many, many)
		s.wantMetrics(w, map[oprun.EndReason]int{oprun.StaleQueued: many})
		s.settled(many + 1)
	})

	t.Run("never touches a run under a live lease", func(t *testing.T) {
		t.Parallel()
		s, domain := newExports(t)
		began, gate := make(chan struct{}), make(chan struct{})
		s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			close(began)
			<-gate
			return writeEffect(ctx, job)
		}), Config{Adapters: map[string]Adapter{testType: domain}})
		run := s.publish(`{"key":"a"}`)
		<-began
		s.export("a", "failed", run)
		s.stale(run)
		s.reconcile(`{}`, 0, 0)
		close(gate)
		s.settled(2)
		s.wantOneEffectEach(run)
	})

	t.Run("a domain that does not answer ends nothing, and shows", func(t *testing.T) {
		t.Parallel()
		s, domain := newExports(t)
		domain.err = errors.New("the exports are away")
		run := s.waiting("a")
		s.stale(run)
		w := s.start(writing(), Config{Adapters: map[string]Adapter{testType: domain}})
		got := s.housekeep(catalog.ReconcileAdapterRuns, `{}`)
		if got.Outcome != oprun.PartiallySucceeded || len(got.FailureSummary) != 1 || got.FailureSummary[0].Code != "ops.adapter_failed" || got.SummaryCounts["skipped"] != 1 {
			t.Errorf("housekeeping has %s with %v and %v", got.Outcome, got.FailureSummary, got.SummaryCounts)
		}
		s.wantUntouched(run)
		if at := w.metric(t, "reconcile_last_success_timestamp_seconds"); at != 0 {
			t.Errorf("it counts as a success, at %v", at)
		}
	})

	t.Run("two requests at once are one run", func(t *testing.T) {
		t.Parallel()
		s, domain := newExports(t)
		s.export("a", "failed", s.waiting("a"))
		gate := make(chan struct{})
		s.start(writing(), Config{Adapters: map[string]Adapter{testType: gated{domain, gate}}})
		first := s.askHousekeeping(catalog.ReconcileAdapterRuns, `{}`)
		s.eventually("the first to run", func() bool {
			return s.count("select count(*) from oprun.operation_runs where id = $1 and status = 'running'", first) == 1
		})
		second := s.askHousekeeping(catalog.ReconcileAdapterRuns, `{"dry_run":true}`)
		s.eventually("the second to join", func() bool {
			return s.count("select count(*) from oprun.operation_run_deliveries where verdict = 'duplicate'") == 1
		})
		close(gate)
		s.settled(2)
		n := s.count("select count(*) from oprun.operation_runs where id = any($1) and outcome = 'succeeded' and summary_counts->>'candidates' = '1'", []uuid.UUID{first, second})
		if n != 1 {
			t.Errorf("%d runs of two requests succeeded, want one", n)
		}
	})
}
