package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// retry is a request that is to be asked again, with the request id that it has.
type retry struct {
	ask
	at    time.Time
	msgID string // "": the one that follows from the identity
}

// message asks by a message: with a request id mostly, without one sometimes, now and then one that can never run.
func (c *client) message(ctx context.Context, number int) {
	switch luck := c.rng.Float64(); {
	case luck < 0.01:
		c.bare(ctx, c.next(number, hopeless))
	case luck < 0.3:
		c.bare(ctx, c.next(number, byPlace))
	default:
		a := c.next(number, byRequest)
		c.history.note(a.invoked())
		c.publish(ctx, a, "")
		c.askAgain(a)
	}
}

// askAgain makes some requests with an id be asked again: at once, where the broker sees it; under another message id, where it
// does not; and when the broker has forgotten the first.
func (c *client) askAgain(a ask) {
	if !a.named {
		return
	}
	const later = duplicates + time.Second
	now := time.Now()
	switch luck := c.rng.Float64(); {
	case luck < 0.04:
		c.again = append(c.again, retry{a, now, ""})
	case luck < 0.08:
		c.again = append(c.again, retry{a, now, "other/" + a.requestID})
	case luck < 0.12:
		c.again = append(c.again, retry{a, now.Add(later), ""})
	case luck < 0.13:
		c.again = append(c.again, retry{a, now.Add(2 * later), "late/" + a.requestID})
	}
}

func (c *client) retryDue(ctx context.Context) {
	var due []retry
	c.again = slices.DeleteFunc(c.again, func(r retry) bool {
		late := !time.Now().Before(r.at)
		if late {
			due = append(due, r)
		}
		return late
	})
	for _, r := range due {
		c.history.note(entry{Request: r.number, Event: invoked, MsgID: r.msgID})
		if r.way != byLedger {
			c.publish(ctx, r.ask, r.msgID)
		} else if told := c.transact(ctx, r.ask, 0, false); told == unknown {
			c.again = append(c.again, retry{r.ask, time.Now().Add(time.Second), ""})
		}
	}
}

// publish sends a message with a request id. When its answer is lost, most clients ask again.
func (c *client) publish(ctx context.Context, a ask, msgID string) {
	identity, err := a.identity()
	var ack events.Ack
	if err == nil {
		ack, err = c.publisher.Publish(ctx, events.Request{
			Identity: identity, Input: a.body(), RequestID: a.requestID, MsgID: msgID, Initiator: "torture",
		})
	}
	var refusal *events.Refusal
	answer := entry{Request: a.number, Seq: ack.Seq}
	switch {
	case err == nil:
		answer.Event = ok
	case errors.As(err, &refusal), errors.Is(err, events.ErrNoStream) && ack.Tries <= 1:
		answer.Event, answer.Error = refused, err.Error()
	default:
		answer.Event, answer.Error = unknown, err.Error()
	}
	c.history.note(answer)
	if answer.Event != ok && c.rng.Float64() < 0.8 {
		c.again = append(c.again, retry{a, time.Now().Add(time.Second), msgID})
	}
}

// bare sends a message as any NATS client can, once: no request id, no message id.
func (c *client) bare(ctx context.Context, a ask) {
	msg := nats.NewMsg(events.Subjects{}.Subject(a.scope, a.kind.jobType))
	msg.Data = a.body()
	if a.way == hopeless {
		c.spoil(msg, a)
	}
	c.history.note(a.invoked())
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ack, err := c.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	answer := entry{Request: a.number, Event: ok}
	switch {
	case err == nil:
		answer.Seq = ack.Sequence
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse):
		answer.Event, answer.Error = refused, err.Error()
	default:
		answer.Event, answer.Error = unknown, err.Error()
	}
	c.history.note(answer)
}

// spoil makes a message one that can never run.
func (c *client) spoil(msg *nats.Msg, a ask) {
	switch c.rng.IntN(3) {
	case 0:
		msg.Data = fmt.Appendf(nil, "request %d", a.number)
	case 1:
		msg.Subject = events.Subjects{}.Subject(dedupe.Tenant(c.uuid()), a.kind.jobType)
	case 2:
		msg.Subject = events.Subjects{}.Subject(a.scope, "torture.nosuch")
	}
}
