package jobs

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/pkg/catalog"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// exports is the domain of these tests: a table of another service, a row per export that it works on or has made.
type exports struct {
	pool *pgxpool.Pool
	err  error // of every look, unless nil
}

// Look implements Adapter.
func (x exports) Look(ctx context.Context, runs []oprun.Candidate) (map[uuid.UUID]Truth, error) {
	if x.err != nil {
		return nil, x.err
	}
	truths := make(map[uuid.UUID]Truth, len(runs))
	ids := make(map[string]uuid.UUID, len(runs)) // by export: the input names it
	var keys []string
	for _, run := range runs {
		var input keyed
		if err := json.Unmarshal(run.Input, &input); err != nil {
			continue
		}
		ids[input.Key], keys = run.ID, append(keys, input.Key)
		truths[run.ID] = Truth{State: DomainGone, Evidence: "there is no export " + input.Key}
	}
	rows, err := x.pool.Query(ctx, "select key, run_id, status from exports where key = any($1)", keys)
	if err != nil {
		return nil, err
	}
	var key, status string
	var made *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&key, &made, &status}, func() error {
		truth := Truth{State: DomainEnded, Outcome: oprun.Outcome(status), Evidence: "export " + key + " has " + status}
		if status == "working" {
			truth = Truth{State: DomainWorking}
		}
		truth.Confirmed = made != nil && *made == ids[key]
		truths[ids[key]] = truth
		return nil
	})
	return truths, err
}

// newExports is a stack with that domain, whose runs nobody takes up: no relay looks at them for an hour.
func newExports(t *testing.T) (*stack, exports) {
	t.Helper()
	s := newStack(t)
	s.exec("create table exports (key text primary key, run_id uuid, status text not null)")
	return s, exports{pool: s.pool}
}

// waiting makes a queued run of this name that no relay publishes while the test lasts.
func (s *stack) waiting(name string) uuid.UUID {
	s.t.Helper()
	id := s.dispatch(name)
	s.exec("update oprun.operation_runs set due_at = now() + interval '1 h' where id = $1", id)
	return id
}

// export records what the domain knows of it.
func (s *stack) export(name, status string, run uuid.UUID) {
	s.t.Helper()
	s.exec("insert into exports values ($1, $2, $3)", name, run, status)
}

// stale lets a run have stood still for a day.
func (s *stack) stale(ids ...uuid.UUID) {
	s.t.Helper()
	s.exec(`update oprun.operation_runs set created_at = created_at - interval '1 day', run_at = run_at - interval '1 day',
		updated_at = updated_at - interval '1 day' where id = any($1)`, ids)
}

// left makes a run whose worker is gone: its lease has ended, and no sweeper looks at it while the test lasts.
func (s *stack) left(name string) uuid.UUID {
	s.t.Helper()
	id := s.dispatch(name)
	s.exec(`update oprun.operation_runs set status = 'running', attempt = 1, claim_token = gen_random_uuid(), started_at = now(),
		lease_expires_at = now() - interval '1 s', due_at = now() + interval '1 h' where id = $1`, id)
	return id
}

// housekeep publishes a built-in job of the workspace's, and returns its run when that has ended.
func (s *stack) housekeep(jobType, input string) oprun.Run {
	s.t.Helper()
	id := s.askHousekeeping(jobType, input)
	s.eventually("housekeeping to end", func() bool {
		return s.count("select count(*) from oprun.operation_runs where id = $1 and completed_at is not null", id) == 1
	})
	return s.run(id)
}

func (s *stack) askHousekeeping(jobType, input string) uuid.UUID {
	s.t.Helper()
	return s.publish(input, func(r *events.Request) {
		r.Identity = dedupe.Identity{Scope: dedupe.Workspace(s.workspace), Type: jobType}
	})
}

// reconcile has the domain looked at, and wants these counts of a run that succeeded.
func (s *stack) reconcile(input string, candidates, reconciled int64) oprun.Run {
	s.t.Helper()
	run := s.housekeep(catalog.ReconcileAdapterRuns, input)
	want := map[string]int64{"candidates": candidates, "reconciled": reconciled, "skipped": candidates - reconciled}
	if diff := cmp.Diff(want, run.SummaryCounts); diff != "" || run.Outcome != oprun.Succeeded {
		s.t.Errorf("housekeeping has %s with (-want +got):\n%s", run.Outcome, diff)
	}
	return run
}

// wantReconciled wants runs ended so, with a trace that leads to the housekeeping run (empty: to the relay).
func (s *stack) wantReconciled(id uuid.UUID, outcome oprun.Outcome, reason oprun.EndReason, by string) {
	s.t.Helper()
	run := s.run(id)
	var told struct {
		Reconciliation struct {
			Reason, By, Evidence string
			At                   time.Time
		}
	}
	check(s.t, json.Unmarshal(run.Context, &told))
	got := told.Reconciliation
	if run.Outcome != outcome || got.Reason != string(reason) || got.By != by {
		s.t.Errorf("run %s has %s, reconciled by %q for %q, want %s by %q for %q", id, run.Outcome, got.By, got.Reason, outcome, by, reason)
	}
	if got.At.IsZero() || got.At.Sub(*run.CompletedAt).Abs() > time.Second {
		s.t.Errorf("run %s was reconciled at %s and ended at %s", id, got.At, run.CompletedAt)
	}
	if len([]rune(got.Evidence)) > oprun.MaxFailureMessage || strings.Contains(got.Evidence, "\n") {
		s.t.Errorf("the evidence is not one short line: %q", got.Evidence)
	}
	if outcome != oprun.Succeeded && (len(run.FailureSummary) != 1 || run.FailureSummary[0].Code != string(reason)) {
		s.t.Errorf("the failure summary of run %s is %v, want the code %s", id, run.FailureSummary, reason)
	}
	want := oprun.TerminalNormal
	if outcome == oprun.Failed {
		want = oprun.ReconciledFailed
	}
	if run.Freshness != want {
		s.t.Errorf("the freshness of run %s is %s, want %s", id, run.Freshness, want)
	}
}

// wantUntouched wants runs as active as they were.
func (s *stack) wantUntouched(ids ...uuid.UUID) {
	s.t.Helper()
	if n := s.count("select count(*) from oprun.operation_runs where id = any($1) and completed_at is null and context = '{}'", ids); n != len(ids) {
		s.t.Errorf("%d of %d runs are as they were", n, len(ids))
	}
}

// gated is an adapter that waits before it looks.
type gated struct {
	Adapter
	gate chan struct{}
}

func (g gated) Look(ctx context.Context, runs []oprun.Candidate) (map[uuid.UUID]Truth, error) {
	<-g.gate
	return g.Adapter.Look(ctx, runs)
}

// allGone is a domain that has no work at all.
type allGone struct{}

func (allGone) Look(_ context.Context, runs []oprun.Candidate) (map[uuid.UUID]Truth, error) {
	truths := make(map[uuid.UUID]Truth, len(runs))
	for _, run := range runs {
		truths[run.ID] = Truth{State: DomainGone}
	}
	return truths, nil
}

// wantMetrics wants the runs that were ended without an attempt's result counted so, and a success told.
func (s *stack) wantMetrics(w *worker, reasons map[oprun.EndReason]int) {
	s.t.Helper()
	for _, reason := range oprun.EndReasons() {
		if got := w.metric(s.t, "reconciled_runs_total", "reason="+string(reason)); int(got) != reasons[reason] {
			s.t.Errorf("%v runs are counted as %s, want %d", got, reason, reasons[reason])
		}
	}
	if at := w.metric(s.t, "reconcile_last_success_timestamp_seconds"); time.Since(time.Unix(int64(at), 0)) > time.Hour {
		s.t.Errorf("the last success was at %v", at)
	}
}
