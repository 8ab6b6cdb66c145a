package jobs

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// candidatePage is how many runs housekeeping looks at, and asks an adapter about, at once.
const candidatePage = 200

// reconcileInput is what ops.reconcile_adapter_runs may be told.
type reconcileInput struct {
	Types   []string    `json:"types"`   // only runs of these types; none: of all
	Tenants []uuid.UUID `json:"tenants"` // only runs of these tenants; none: of all, and the workspaces' own
	Limit   int         `json:"limit"`   // how many runs it looks at, at most; 0: all
	DryRun  bool        `json:"dry_run"` // count, and change nothing
}

// reconcile is the handler of ops.reconcile_adapter_runs: it ends active runs that nobody holds, and of which their
// domain says what became. Each end is a guarded statement of its own, so an attempt may be stopped anywhere, be made
// twice, and be made beside another.
func (w *Worker) reconcile(ctx context.Context, job *Job[reconcileInput]) error {
	r := &reconciliation{Worker: w, job: job, seen: make(map[uuid.UUID]struct{})}
	filter := oprun.CandidateFilter{
		Known: slices.Sorted(maps.Keys(w.config.Adapters)), Types: job.Args.Types, Tenants: job.Args.Tenants,
	}
	for {
		filter.Limit = r.room()
		page, err := w.ledger.Candidates(ctx, filter)
		if err != nil {
			return err
		}
		last := len(page) < filter.Limit
		if !last {
			filter.After = page[len(page)-1]
		}
		if err := r.settle(ctx, r.news(page)); err != nil {
			return err
		}
		if last || r.room() == 0 {
			break
		}
	}
	r.report()
	return nil
}

// reconciliation is one attempt of the housekeeping job.
type reconciliation struct {
	*Worker
	job        *Job[reconcileInput]
	seen       map[uuid.UUID]struct{} // a run whose next look moves while the pages are read can be on two of them
	ends       int
	unanswered bool // an adapter failed
}

// report hands the counts to the run, and to the metrics when every adapter has answered.
func (r *reconciliation) report() {
	candidates, reconciled := int64(len(r.seen)), int64(r.ends)
	r.job.Count("candidates", candidates)
	r.job.Count("reconciled", reconciled)
	r.job.Count("skipped", candidates-reconciled)
	if !r.unanswered {
		r.metrics.housekept.SetToCurrentTime()
	}
}

// room is how many runs the next page may have.
func (r *reconciliation) room() int {
	if r.job.Args.Limit == 0 {
		return candidatePage
	}
	return min(candidatePage, r.job.Args.Limit-len(r.seen))
}

// news returns those runs of a page that were on none before.
func (r *reconciliation) news(page []oprun.Candidate) []oprun.Candidate {
	return slices.DeleteFunc(page, func(c oprun.Candidate) bool {
		_, known := r.seen[c.ID]
		r.seen[c.ID] = struct{}{}
		return known
	})
}

// settle asks the adapters about these runs, type by type, and ends those that have to.
func (r *reconciliation) settle(ctx context.Context, runs []oprun.Candidate) error {
	byType := make(map[string][]oprun.Candidate)
	for _, c := range runs {
		byType[c.Type] = append(byType[c.Type], c)
	}
	for _, jobType := range slices.Sorted(maps.Keys(byType)) {
		truths := r.look(ctx, jobType, byType[jobType])
		for _, c := range byType[jobType] {
			if err := r.end(ctx, c, truths[c.ID]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// look asks the type's adapter. Without one nothing is known, and a stale run is only counted: no proof, no end.
func (r *reconciliation) look(ctx context.Context, jobType string, runs []oprun.Candidate) map[uuid.UUID]Truth {
	adapter := r.config.Adapters[jobType]
	if adapter == nil {
		return nil
	}
	truths, err := adapter.Look(ctx, runs)
	if err != nil {
		r.unanswered = true
		r.job.Failure("ops.adapter_failed", "the adapter of "+jobType+" gave no answer")
		r.log.Warn("adapter failed", "run", r.job.Work, "adapter", jobType, "runs", len(runs), "error", err)
		return nil
	}
	return truths
}

// end ends one run, if what its domain says is enough and it has not moved on meanwhile.
func (r *reconciliation) end(ctx context.Context, c oprun.Candidate, truth Truth) error {
	ending, ok := truth.ending(c)
	if !ok {
		return nil
	}
	if r.job.Args.DryRun {
		r.ends++
		return nil
	}
	ending.Note = map[string]any{"by": r.job.RunID.String(), "evidence": oprun.OneLine(truth.Evidence, oprun.MaxFailureMessage)}
	ended, err := r.ledger.End(ctx, ending)
	r.ends += len(ended)
	r.reconciled(ending.Reason, ended)
	r.endedWithout("housekeeping", ended)
	return err
}

// reconciled counts runs that ended without an attempt's result.
func (w *Worker) reconciled(reason oprun.EndReason, ended []oprun.Ended) {
	for _, e := range ended {
		w.metrics.reconciled[reason].Inc()
		w.metrics.ofType(e.Type).runs[e.Outcome].Inc()
		if e.Abandoned {
			w.metrics.ofType(e.Type).attempts[oprun.AttemptAbandoned].Inc()
		}
	}
}
