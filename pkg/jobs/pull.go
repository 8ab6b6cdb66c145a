package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// Timing of a pull. The heartbeat tells a quiet stream from a broker that has forgotten the pull.
const (
	pullExpires   = 10 * time.Second
	pullHeartbeat = 500 * time.Millisecond
	pullSilence   = 3 * pullHeartbeat
	maxPull       = 256
)

// puller asks the consumer for as many messages as there are free slots, and hands them on as they arrive. It speaks
// the pull protocol itself: the client library's fetch ties neither its buffer to slots, nor gives back at a
// stop what is on its way.
type puller struct {
	conn    *nats.Conn
	subject string // $JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>
	slots   *slots
	pause   func() bool     // whether to ask for nothing now
	take    func(*nats.Msg) // receives each message, which holds a slot from now on
	log     *slog.Logger
}

// pausePoll is how often a puller that pauses looks whether it may go on.
const pausePoll = 50 * time.Millisecond

// run pulls until the context ends, and rests while it is to pause.
func (p *puller) run(ctx context.Context) error {
	look := time.NewTicker(pausePoll)
	defer look.Stop()
	for ctx.Err() == nil {
		if !p.pause() {
			if err := p.session(ctx); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-look.C:
		}
	}
	return nil
}

// session pulls until the context ends or a pause begins, and then hands on what is still on its way.
func (p *puller) session(ctx context.Context) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	in, err := openInbox(p.conn)
	if err != nil {
		return err
	}
	defer func() { _ = in.sub.Unsubscribe() }() // for the ways out that do not drain it
	// Draining takes the interest away from the broker, which ends the pull there, and keeps what was sent before.
	stop := context.AfterFunc(ctx, func() { _ = in.sub.Drain() })
	defer stop()
	for wait := newPause(); ; {
		n := p.slots.take(ctx, maxPull)
		if n == 0 {
			p.handOver(in)
			return nil
		}
		got, err := p.pull(in, n)
		p.slots.giveUnused(n - got)
		if p.pause() {
			end()
		}
		switch {
		case ctx.Err() != nil:
			p.handOver(in)
			return nil
		case p.conn.IsClosed():
			return nats.ErrConnectionClosed
		case errors.Is(err, nats.ErrBadSubscription):
			return nil // the next session has another
		case err != nil:
			p.log.Warn("pull failed", "error", err)
			wait.sleep(ctx)
		default:
			wait = newPause()
		}
	}
}

// pull sends one request and hands on up to n messages.
func (p *puller) pull(in *inbox, n int) (got int, err error) {
	request, err := json.Marshal(map[string]any{"batch": n, "expires": pullExpires, "idle_heartbeat": pullHeartbeat})
	if err != nil {
		return 0, err
	}
	if err := p.conn.PublishRequest(p.subject, in.sub.Subject, request); err != nil {
		return 0, err
	}
	for got < n {
		msg, err := in.next(pullSilence)
		if errors.Is(err, nats.ErrTimeout) {
			return got, nil // the broker has forgotten the pull: ask again
		}
		if err != nil {
			return got, err
		}
		if delivered(msg) {
			p.slots.use()
			p.take(msg)
			got++
			continue
		}
		if over, err := pullStatus(msg.Header); over || p.pause() {
			return got, err
		}
	}
	return got, nil
}

// delivered tells a job from the broker's own words, which want no acknowledgement. Their headers do not tell: a
// producer may send a Status of its own.
func delivered(msg *nats.Msg) bool { return msg.Reply != "" }

// pullStatus reads a status message: whether it ends the pull, and the error worth telling.
func pullStatus(h nats.Header) (over bool, err error) {
	switch code := h.Get("Status"); code {
	case "100": // heartbeat
		return false, nil
	case "404", "408": // no messages, or the time is up
		return true, nil
	default:
		return true, fmt.Errorf("pull: %s %s", code, h.Get("Description"))
	}
}

// handOver passes on what the broker sent before it learned of the stop, until the subscription is drained. Each
// message takes a slot, free or not. One that was left there would be missed for an AckWait.
func (p *puller) handOver(in *inbox) {
	for {
		msg, err := in.next(pullSilence)
		switch {
		case errors.Is(err, nats.ErrTimeout) && p.conn.IsConnected(): // the broker is slow to say that this was all
		case err != nil: // the subscription is gone, or the broker
			return
		case delivered(msg):
			p.slots.give(-1)
			p.take(msg)
		}
	}
}
