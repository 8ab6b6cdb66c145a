package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// told is what the ledger was last told of an attempt's work.
type told struct {
	outcome  oprun.Outcome
	counts   map[string]int64
	failures []oprun.Failure
}

// endParked notes that the ledger has ended a run that was to be tried again: a run that has failed keeps the failures of
// its last attempt, one that was cancelled keeps nothing.
func (w *Work) endParked(outcome oprun.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	failures := w.told.failures
	if outcome != oprun.Failed {
		failures = nil
	}
	w.told = told{outcome: outcome, failures: failures}
}

// endedOf is the event of an attempt's run. When the ledger has another end than it was last told, an earlier word of the
// attempt counted, and the row knows which.
func (w *Worker) endedOf(a *attempt, outcome oprun.Outcome) Ended {
	a.work.mu.Lock()
	last := a.work.told
	a.work.mu.Unlock()
	scope := a.work.Scope
	run := oprun.Run{
		ID: a.work.RunID, WorkspaceID: scope.ID, Type: a.work.Type, Status: "completed", Outcome: outcome, Attempt: a.work.Attempt,
	}
	if scope.Kind == dedupe.TenantScope {
		run.TenantID = &scope.ID
	}
	if last.outcome == outcome {
		run.SummaryCounts, run.FailureSummary = last.counts, last.failures
	} else if rows := w.rows([]uuid.UUID{run.ID}); len(rows) > 0 {
		run = rows[run.ID]
	}
	return endedOf(run)
}

// rowPatience is how long the ledger may take to show runs that have ended: nothing depends on it but what is told of them.
const rowPatience = 2 * time.Second

// rows reads runs; what cannot be read is not there.
func (w *Worker) rows(ids []uuid.UUID) map[uuid.UUID]oprun.Run {
	ctx, cancel := context.WithTimeout(w.lifetime, rowPatience)
	defer cancel()
	rows := make(map[uuid.UUID]oprun.Run, len(ids))
	runs, err := w.ledger.RunsByID(ctx, ids)
	if err != nil {
		w.log.Warn("ended runs not read", "runs", len(ids), "error", err)
	}
	for _, run := range runs {
		rows[run.ID] = run
	}
	return rows
}

// endedWithout logs and tells of runs that have ended without a result of an attempt here; by is whose doing it was.
func (w *Worker) endedWithout(by string, ended []oprun.Ended) {
	if len(ended) == 0 {
		return
	}
	ids := make([]uuid.UUID, len(ended))
	for i, e := range ended {
		ids[i] = e.RunID
	}
	rows := w.rows(ids)
	for _, e := range ended {
		run, known := rows[e.RunID]
		if !known || run.CompletedAt == nil {
			w.log.Warn("run ended", slog.Group("run", "run_id", e.RunID.String(), "job_type", e.Type), "outcome", string(e.Outcome), "by", by)
			continue
		}
		w.log.Warn("run ended", "run", run, "outcome", string(e.Outcome), "by", by, "reason", reasonFor(run))
		w.announcer.tell(topic{e.Outcome, run.Scope(), run.Type}, func() (Ended, nats.Header) { return endedOf(run), rowHeader(run) })
	}
}

// reasonFor is the code of the failure that ended a run, or "".
func reasonFor(run oprun.Run) string {
	if len(run.FailureSummary) == 0 {
		return ""
	}
	return run.FailureSummary[0].Code
}

// endedByClaim are the runs that a claim has ended.
func endedByClaim(asked []*delivery, answers []oprun.Answer) (ended []oprun.Ended) {
	for i, answer := range answers {
		if outcome := endedBy(answer.Verdict); outcome != "" {
			ended = append(ended, oprun.Ended{RunID: answer.RunID, Type: asked[i].job.Type, Outcome: outcome})
		}
	}
	return ended
}

// endedBy is how a claim ended its run, whose verdict this is; "": it did not.
func endedBy(verdict dedupe.Verdict) oprun.Outcome {
	switch verdict {
	case dedupe.Exhausted:
		return oprun.Failed
	case dedupe.Cancelled:
		return oprun.Cancelled
	default:
		return ""
	}
}
