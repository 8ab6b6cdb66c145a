package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/internal/rig"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// A worker on a bench (pkg/jobs/jobstest) is the one that runs everywhere, and stops where the bench wants it to. All that
// the bench asks of it is here.

// mount puts the worker on the bench of the context of its Run, if that has one. Done says that there is nothing more to run.
func (w *Worker) mount(ctx context.Context) (done bool, err error) {
	r := rig.From(ctx)
	if r == nil {
		return false, nil
	}
	w.rig = r
	for _, spec := range w.specs {
		handler := *spec.handler
		handler.slots = nil // one that stands still in another worker of the bench must not keep this one from its turn
		spec.rig, spec.handler = r, &handler
	}
	if r.Rehearsal == nil {
		return false, nil
	}
	return true, w.rehearse(ctx, r.Rehearsal)
}

// at passes a point. After an error the worker does no more for the attempt.
func (a *attempt) at(point rig.Point) error {
	if a.spec.rig == nil {
		return nil
	}
	return a.spec.rig.At(point, a.hold.RunID, a.number)
}

// past returns the attempts that have passed the point, and lets go of the others.
func (w *Worker) past(point rig.Point, these []*attempt) []*attempt {
	if w.rig == nil {
		return these
	}
	return slices.DeleteFunc(these, func(a *attempt) bool {
		err := a.at(point)
		if err != nil {
			w.leave([]*attempt{a}, err)
		}
		return err != nil
	})
}

// acknowledge tells the broker that the ledger knows what became of the attempt.
func (a *attempt) acknowledge() {
	if a.at(rig.BeforeAck) == nil {
		a.ack()
	}
}

// judged tells the bench of the ledger's answer to a delivery. Of one that can never run it hears when the dead letter is
// written.
func (w *Worker) judged(d *delivery, run uuid.UUID, verdict dedupe.Verdict) {
	if w.rig != nil && verdict != dedupe.Rejected {
		w.rig.Judged(rig.Judged{Seq: d.message.Seq, RunID: run, Named: d.job.RunID != uuid.Nil, Verdict: verdict, Reply: d.msg.Reply})
	}
}

func (w *Worker) buried(d *delivery) {
	if w.rig != nil {
		w.rig.Judged(rig.Judged{Seq: d.message.Seq, Verdict: dedupe.Rejected, Reply: d.msg.Reply})
	}
}

// released returns the runs that the bench wants published now.
func (w *Worker) released(due []oprun.DueRun) []oprun.DueRun {
	if w.rig == nil {
		return due
	}
	return slices.DeleteFunc(due, func(run oprun.DueRun) bool { return !w.rig.Relays(run.ID) })
}

// rehearsed returns what is to see the effects of a rehearsal; nil: this is none.
func (a *attempt) rehearsed() func(context.Context, pgx.Tx) {
	if a.spec.rig == nil || a.spec.rig.Rehearsal == nil {
		return nil
	}
	return a.spec.rig.Rehearsal.Look
}

// rehearse runs one attempt without a message and a claim, in the caller's goroutine, and tells what the ledger would be
// told. The error says that no worker would run it.
func (w *Worker) rehearse(ctx context.Context, r *rig.Rehearsal) error {
	spec := w.specs[r.Type]
	if _, err := spec.rule.Identify(r.Scope, r.Type, r.Input, dedupe.ByRequest("rehearsal", time.Time{})); err != nil {
		return err
	}
	if err := spec.job.ValidateInput(r.Input); err != nil {
		return &events.Refusal{Reason: dedupe.SchemaViolated, Detail: err.Error()}
	}
	w.stopping, w.settling, w.lifetime, w.handling = ctx, ctx, ctx, ctx
	a := w.newAttempt(&delivery{spec: spec, job: events.Job{
		Type: r.Type, Scope: r.Scope, Input: r.Input, Initiator: events.DefaultInitiator, AcceptedAt: time.Now(),
	}}, oprun.Answer{RunID: uuid.New(), Attempt: 1, MaxAttempts: spec.job.Retry.MaxAttempts})
	w.run(a)
	if a.end.outcome == oprun.Succeeded && a.work.end() == "" {
		if err := a.work.show(ctx); err != nil {
			a.end = a.conclude(err, context.Cause(ctx))
		}
	}
	r.Report = a.report()
	return nil
}

// show carries out what was queued, where it can be seen, and takes it back.
func (w *Work) show(ctx context.Context) error {
	w.leaves()
	tx, err := w.ledger.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin effects: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := w.send(ctx, tx, w.queued); err != nil {
		return err
	}
	w.attempt.rehearsed()(ctx, tx)
	return nil
}

// report is what the ledger would be told of the attempt.
func (a *attempt) report() rig.Report {
	r := rig.Report{RunID: a.hold.RunID, Result: a.end.ended, Error: a.end.text, Delay: a.end.delay, Uncounted: a.end.giveBack}
	if a.work.end() == "" {
		result := a.work.result(a.end)
		r.Outcome, r.Counts, r.Failures = result.Outcome, result.Counts, result.Failures
	} else { // by Commit: what the handler says after that changes nothing
		r.Outcome, r.Counts, r.Failures = a.work.told.outcome, a.work.told.counts, a.work.told.failures
		r.Result, r.Error, r.Delay, r.Uncounted = oprun.AttemptSucceeded, "", 0, false
	}
	r.Dropped = a.work.dropped
	if r.Outcome == oprun.Pending && !r.Uncounted && a.work.Attempt >= a.work.MaxAttempts {
		r.Outcome = oprun.Failed
	}
	return r
}
