package jobs

import (
	"context"
	"errors"
	"time"

	"oprun.example/internal/failpoint"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// recordAfter is how long after the look that found it a publication is recorded: half of the relay's turn. Most runs are
// claimed long before, and then there is nothing to record. Should the relay die meanwhile, the next one publishes under
// the same Nats-Msg-Id, and hears from the broker where the message stands.
const recordAfter = relayTurn / 2

// flight is a run on its way to the stream.
type flight struct {
	run     oprun.DueRun
	pending *events.Pending
	look    time.Time // before its turn began
}

// landing is a publication that the broker acknowledged.
type landing struct {
	oprun.Publication
	look time.Time
}

// land waits for the broker's word on these, for as long as they are this relay's.
func (r *relay) land(ctx context.Context, flights []flight) error {
	ctx, cancel := context.WithTimeout(ctx, relayTurn)
	defer cancel()
	var errs []error
	for _, f := range flights {
		ack, err := f.pending.Wait(ctx)
		if err == nil {
			err = failpoint.Hit(failpoint.PubAck)
		}
		r.metrics.ofType(f.run.Type).publication(ack.Duplicate, err)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		publication := oprun.Publication{RunID: f.run.ID, DispatchNo: f.run.DispatchNo, Seq: ack.Seq}
		r.landed = append(r.landed, landing{publication, f.look})
	}
	return errors.Join(errs...)
}

// record writes down the publications whose looks are so old, and sets the alarm for the others.
func (r *relay) record(ctx context.Context, age time.Duration) error {
	var ripe []oprun.Publication
	kept := r.landed[:0]
	for _, l := range r.landed {
		if time.Since(l.look) >= age {
			ripe = append(ripe, l.Publication)
		} else {
			kept = append(kept, l)
		}
	}
	r.landed = kept
	if len(kept) > 0 {
		r.alarm.Reset(max(0, age-time.Since(kept[0].look)))
	}
	if len(ripe) == 0 {
		return nil
	}
	if err := failpoint.Hit(failpoint.MarkBefore); err != nil {
		return err
	}
	return r.ledger.Published(ctx, ripe, 2*r.ackWait)
}

// close records what is left, when the worker stops. What it does not come to is published again.
func (r *relay) close() {
	ctx, cancel := context.WithTimeout(r.lifetime, relayTurn)
	defer cancel()
	if err := errors.Join(r.land(ctx, r.aloft), r.record(ctx, 0)); err != nil {
		r.log.Warn("publications not recorded", "runs", len(r.aloft)+len(r.landed), "error", err)
	}
	r.aloft = nil
}
