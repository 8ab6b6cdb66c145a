package jobs

import (
	"context"

	"oprun.example/internal/failpoint"
	"oprun.example/pkg/oprun"
)

// maxSweep is how many running runs one look takes.
const maxSweep = 500

// sweepLoop puts runs whose attempt stopped beating back into the queue. Every worker sweeps.
func (w *Worker) sweepLoop(ctx context.Context) { w.every(ctx, w.sweep) }

func (w *Worker) sweep(ctx context.Context) (more bool) {
	ask, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	swept, err := w.sweepOnce(ask)
	w.countSwept(swept) // also of a sweep that failed after its commit
	w.heard(err)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Warn("sweep failed", "error", err)
		}
		return false
	}
	w.metrics.swept.SetToCurrentTime()
	return swept.Requeued+swept.Extended+len(swept.Ended) == maxSweep
}

func (w *Worker) countSwept(swept oprun.Swept) {
	w.metrics.sweeps.WithLabelValues(sweepRequeued).Add(float64(swept.Requeued))
	w.metrics.sweeps.WithLabelValues(sweepExtended).Add(float64(swept.Extended))
	w.metrics.sweeps.WithLabelValues(sweepPromoted).Add(float64(swept.Promoted))
	w.metrics.sweeps.WithLabelValues(sweepEnded).Add(float64(len(swept.Ended)))
	for _, jobType := range swept.Abandoned {
		w.metrics.ofType(jobType).attempts[oprun.AttemptAbandoned].Inc()
	}
	for _, e := range swept.Ended {
		w.metrics.ofType(e.Type).runs[e.Outcome].Inc()
	}
	w.endedWithout("sweeper", swept.Ended)
}

func (w *Worker) sweepOnce(ctx context.Context) (swept oprun.Swept, err error) {
	if failpoint.Off(failpoint.Sweeper) {
		return swept, nil
	}
	if err = failpoint.Hit(failpoint.SweepBefore); err != nil {
		return swept, err
	}
	if swept, err = w.ledger.Sweep(ctx, maxSweep, w.ackWait); err != nil {
		return swept, err
	}
	return swept, failpoint.Hit(failpoint.SweepAfter)
}
