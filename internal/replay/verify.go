package replay

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// tick is how often the consumer and the ledger are asked again.
const tick = 100 * time.Millisecond

var errTimeout = errors.New("the time to wait is up")

// sent is a published message, without its body.
type sent struct {
	label    string
	sighting oprun.Sighting
}

// verify waits until the consumer has passed what was published and the runs have ended, and counts what became of each
// message. It reads the messages back from the stream, so that they need not be remembered. When the time to wait is up
// it counts what there is.
func (r *replay) verify(ctx context.Context) error {
	if r.report.Published == 0 {
		return nil
	}
	bounded, stop := ctx, func() {}
	if r.config.Timeout > 0 {
		bounded, stop = context.WithTimeoutCause(ctx, r.config.Timeout, errTimeout)
	}
	defer stop()
	r.progress.Waiting = r.report.Published
	if err := r.passed(bounded); errors.Is(err, errTimeout) {
		r.report.Behind = true
	} else if err != nil {
		return err
	}
	left, err := r.readBack(ctx)
	if err != nil {
		return err
	}
	return r.settle(ctx, bounded, left)
}

// passed waits until the consumer has nothing left up to the last published message.
func (r *replay) passed(ctx context.Context) error {
	for {
		info, err := r.consumer.Info(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return err
		case info.AckFloor.Stream >= r.last, info.NumPending == 0 && info.NumAckPending == 0:
			return nil
		}
		r.progress.Waiting = int(min(r.last-min(r.last, info.AckFloor.Stream), uint64(r.report.Published)))
		r.tell()
		if err := rest(ctx); err != nil {
			return err
		}
	}
}

func rest(ctx context.Context) error {
	if err := wait(ctx, time.Now().Add(tick)); err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// readBack counts the published messages that have come to their ends, and returns the others.
func (r *replay) readBack(ctx context.Context) (left []sent, err error) {
	batch, found := make([]sent, 0, maxBatch), 0
	flush := func() error {
		more, err := r.count(ctx, batch)
		left, batch = append(left, more...), batch[:0]
		return err
	}
	for m, err := range events.Read(ctx, r.js, r.config.Stream, events.Range{FromSeq: r.first, ToSeq: r.last}) {
		if err != nil {
			return nil, err
		}
		if ids := m.Header[events.HeaderMsgID]; len(ids) != 1 || !strings.HasPrefix(ids[0], r.msgID) {
			continue
		}
		batch, found = append(batch, r.see(m)), found+1
		if len(batch) == maxBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if gone := r.report.Published - found; gone > 0 { // purged, or too old for the stream's limits
		r.tally.add("unknown", Waiting, "", gone)
		r.report.Unsettled += gone
	}
	return left, flush()
}

// see is how the ledger is asked about a published message.
func (r *replay) see(m events.Message) sent {
	s := sent{sighting: oprun.Sighting{Seq: m.Seq, StoredAt: m.StoredAt}}
	job, err := r.decode(m)
	s.label = labelOf(job.Type)
	if err == nil {
		s.sighting.Scope, s.sighting.Type = job.Scope, job.Type
		s.sighting.RunID, s.sighting.Named = runOf(job), job.RunID != uuid.Nil
	}
	return s
}

// count asks the ledger about published messages and returns those that have not come to their ends.
func (r *replay) count(ctx context.Context, batch []sent) (left []sent, err error) {
	accounts, err := r.accounts(ctx, batch)
	for n, has := range accounts {
		if !r.classify(batch[n].label, has) {
			left = append(left, batch[n])
		}
	}
	return left, err
}

func (r *replay) accounts(ctx context.Context, batch []sent) ([]oprun.Account, error) {
	if len(batch) == 0 {
		return nil, nil
	}
	sightings := make([]oprun.Sighting, len(batch))
	for n, s := range batch {
		sightings[n] = s.sighting
	}
	return r.account(ctx, r.config.Stream, sightings)
}

// settle asks about the rest until all of it has come to its end or the time is up.
func (r *replay) settle(ctx, bounded context.Context, left []sent) error {
	for {
		r.progress.Waiting = len(left)
		r.tell()
		if len(left) == 0 {
			return nil
		}
		if err := rest(bounded); errors.Is(err, errTimeout) {
			return r.leaveAll(ctx, left)
		} else if err != nil {
			return err
		}
		var still []sent
		for batch := range slices.Chunk(left, maxBatch) {
			more, err := r.count(ctx, batch)
			if err != nil {
				return err
			}
			still = append(still, more...)
		}
		left = still
	}
}

func (r *replay) leaveAll(ctx context.Context, left []sent) error {
	for batch := range slices.Chunk(left, maxBatch) {
		accounts, err := r.accounts(ctx, batch)
		if err != nil {
			return err
		}
		for n, has := range accounts {
			if !r.classify(batch[n].label, has) {
				r.leave(batch[n].label, has)
			}
		}
	}
	return nil
}
