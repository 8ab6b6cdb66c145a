package jobstest

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/internal/rig"
)

// Effects is the transaction in which a handler's effects can be seen before they are rolled back. It is a pgx.Tx like any
// other, for the length of the call that is given it.
type Effects struct {
	pgx.Tx
	ctx context.Context //nolint:containedctx // of the call that it is given to
	t   TB
}

// WantEffects fails the test unless the query, which is one for a single number, finds that many in the transaction.
func (e *Effects) WantEffects(want int, query string, args ...any) {
	e.t.Helper()
	wantEffects(e.ctx, e.t, e.Tx, want, query, args)
}

// Try runs a job's handler once, in the test's own goroutine, shows the effects of its Commit or Queue to look, which may be
// nil, and rolls them back. To the handler all is as ever: its Commit succeeds. There is no message, no claim and no row of
// the run; the result tells how the run would have ended, pending if it would be tried again, or what is in the way. Look is
// not called when the handler fails.
//
// What the handler does by other means than Commit and Queue is done, a Dispatch outside of the transaction as well.
func (b *Bench) Try(jobType string, args any, look func(effects *Effects)) *Run {
	b.t.Helper()
	r := &Run{t: b.t, Type: jobType}
	known := b.known()
	rehearsal := &rig.Rehearsal{Type: jobType, Scope: b.scope(jobType), Input: b.encode(args)}
	rehearsal.Look = func(ctx context.Context, tx pgx.Tx) {
		runs, err := b.runs(ctx, tx)
		b.check("read the runs", err)
		r.Dispatched = slices.DeleteFunc(runs, func(d Dispatched) bool { return known[d.ID] })
		if look != nil {
			look(&Effects{tx, ctx, b.t})
		}
	}
	p := b.newProcess(jobType)
	defer p.close()
	err := p.worker.Run(rig.With(b.ctx, &rig.Rig{
		At: func(point rig.Point, _ uuid.UUID, _ int) error {
			if point == rig.BeforeHandler {
				r.Handled++
			}
			return nil
		},
		Judged: func(rig.Judged) {}, Relays: func(uuid.UUID) bool { return false },
		Rehearsal: rehearsal,
	}))
	b.check("no worker would run this "+jobType, err)
	report := rehearsal.Report
	r.ID, r.Outcome, r.Counts, r.Failures = report.RunID, report.Outcome, report.Counts, report.Failures
	if report.Result != "" {
		r.Attempts = append(r.Attempts, report.Result)
	}
	if report.Error != "" {
		r.details = "\n\terror: " + report.Error
	}
	return r
}
