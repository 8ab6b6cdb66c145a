package jobs

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// beatLoop keeps what is in hand: it extends the leases of claimed runs and tells the broker that their messages,
// and those still waiting for the ledger, are being worked on. When the ledger is away the latter are left to other
// workers, who may still reach it.
func (w *Worker) beatLoop(ctx context.Context) {
	ticker := time.NewTicker(w.beat / 4)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if time.Since(last) >= w.beat && w.beatOnce(ctx) {
			last = time.Now()
		}
	}
}

// leaseLoop stops attempts that may have lost their lease before it ends, by this process's own clock. It is not the
// beat's loop: that one waits for the ledger, and this one must not.
func (w *Worker) leaseLoop(ctx context.Context) {
	ticker := time.NewTicker(w.beat / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.stopExpired()
		}
	}
}

// beatOnce extends whatever has been in hand for a while; younger ones have a fresh lease. The leases that end first
// go first, so that a ledger that is slow keeps as many as it can. It reports whether the ledger answered.
func (w *Worker) beatOnce(ctx context.Context) bool {
	unclaimed, attempts := w.hands.olderThan(w.beat / 2)
	for _, a := range attempts {
		a.inProgress()
	}
	if !w.away.Load() {
		for _, d := range unclaimed {
			d.inProgress()
		}
	}
	slices.SortFunc(attempts, func(a, b *attempt) int { return cmp.Compare(a.leaseEnds.Load(), b.leaseEnds.Load()) })
	for part := range slices.Chunk(attempts, maxBatch) {
		if !w.extend(ctx, part) {
			return false
		}
	}
	return true
}

func (w *Worker) extend(ctx context.Context, attempts []*attempt) bool {
	holds := holdsOf(attempts)
	done := w.metrics.ledger("extend", len(holds))
	defer done()
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.beat) // two tries fit into a lease
	defer cancel()
	held, err := w.ledger.Extend(ctx, holds)
	w.heard(err)
	if err != nil {
		w.log.Warn("heartbeat failed", "runs", len(holds), "error", err)
		return false
	}
	for _, a := range attempts {
		w.beaten(a, held, sent)
	}
	return true
}

// beaten draws the consequences of a heartbeat for one attempt. An attempt whose Commit is ending the run may not be
// in the answer either: its fence will tell. A lease that was not prolonged, because a transaction has the run, goes on
// to its end.
func (w *Worker) beaten(a *attempt, held map[uuid.UUID]oprun.Extended, sent time.Time) {
	extended, ok := held[a.hold.RunID]
	switch {
	case extended.Locked, !ok && a.ending.Load():
	case !ok:
		a.stop(ErrLeaseLost)
	case extended.CancelRequested:
		a.stop(ErrCancelRequested)
		fallthrough
	default:
		a.leaseEnds.Store(int64(sent.Add(a.hold.Lease).Sub(w.epoch)))
	}
}

// stopExpired stops attempts whose lease could end before the next look, even if that comes late.
func (w *Worker) stopExpired() {
	soon := int64(time.Since(w.epoch) + w.beat/2)
	for _, a := range w.hands.attempts() {
		if a.leaseEnds.Load() < soon && a.work.end() == "" {
			a.stop(ErrLeaseLost)
		}
	}
}
