package replay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// maxFlying is how many messages may wait for their acknowledgements.
const maxFlying = 2000

// flight is a message that was sent.
type flight struct {
	*events.Pending
	at, label string
}

// send publishes one message when it is due, without waiting for its acknowledgement.
func (r *replay) send(ctx context.Context, i *item) error {
	if err := wait(ctx, r.pace.due(r.progress.Judged, i.recorded)); err != nil {
		return err
	}
	m := r.outgoing(i, r.msgID+strconv.Itoa(r.progress.Judged))
	if !r.stays(i, m) {
		r.refuse(i, dedupe.HeaderInvalid)
		return nil
	}
	pending, err := r.publisher.Send(ctx, m)
	if events.Refused(err) {
		r.refuse(i, dedupe.Oversize)
		return nil
	}
	if errors.Is(err, nats.ErrBadHeaderMsg) { // what another client sent for a header, this one cannot
		r.refuse(i, dedupe.HeaderInvalid)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", i.at, why(ctx, err))
	}
	r.flying = append(r.flying, flight{pending, i.at, i.label})
	switch {
	case r.report.Published == 0: // what keeps all of them from being published is known at the first
		return r.land(ctx, 0)
	case len(r.flying) >= maxFlying:
		return r.land(ctx, maxFlying/2)
	default:
		return nil
	}
}

// land waits for acknowledgements, in the order of the messages, until no more than some are missing.
func (r *replay) land(ctx context.Context, most int) (err error) {
	for len(r.flying) > most && err == nil {
		f := r.flying[0]
		r.flying = r.flying[1:]
		err = r.landed(ctx, f)
	}
	return err
}

// abandonPatience is how long a replay that has failed, or was interrupted, waits to learn what the stream has.
const abandonPatience = 5 * time.Second

// abandon ends all flights, so that it can be told what was published.
func (r *replay) abandon(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), abandonPatience)
	defer stop()
	for len(r.flying) > 0 {
		_ = r.land(ctx, 0) // counted
	}
}

func (r *replay) landed(ctx context.Context, f flight) error {
	ack, err := f.Wait(ctx)
	switch {
	case events.Refused(err):
		r.refuseAs(f.label, dedupe.Oversize.String())
		return nil
	case err != nil:
		if errors.Is(err, events.ErrNoAck) || ctx.Err() != nil {
			r.unknown++
		}
		return fmt.Errorf("%s: %w", f.at, why(ctx, err))
	}
	if r.report.Published == 0 || ack.Seq < r.first {
		r.first = ack.Seq
	}
	r.last = max(r.last, ack.Seq)
	r.report.Published++
	r.progress.Published++
	if r.config.NoWait {
		r.tally.add(f.label, Published, "", 1)
	}
	return nil
}

// why is the error of a publication, or what the broker has said beside it: that it refuses the subject (events.WhileAllowed).
func why(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, events.ErrNotAllowed) {
		return cause
	}
	return err
}

// pacer says when messages are due.
type pacer struct {
	rate, speed float64
	began       time.Time
	first       time.Time // when the first message was recorded
}

func (p *pacer) slow() bool { return p.rate > 0 || p.speed > 0 }

// due returns when the n-th message may be published.
func (p *pacer) due(n int, m events.Message) time.Time {
	if p.first.IsZero() {
		p.first = m.StoredAt
	}
	due := p.began
	if p.rate > 0 {
		due = p.began.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	}
	if p.speed > 0 {
		gap := time.Duration(float64(m.StoredAt.Sub(p.first)) / p.speed)
		if at := p.began.Add(gap); at.After(due) {
			due = at
		}
	}
	return due
}

// wait returns at a time, or when the context ends.
func wait(ctx context.Context, until time.Time) error {
	left := time.Until(until)
	if left <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
