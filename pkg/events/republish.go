package events

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
)

// Republish publishes a stored message again, to its subject, as a new request of this id: body and headers as they
// were, but for the headers that name the old request (the run, the request, the recorded place) or that are the
// broker's own (Nats-…). A CloudEvent keeps its attributes; the request id stands over the event's own. Sent again with
// the same request id it is the same request, however late. MsgID is its Nats-Msg-Id.
//
// The message need not be a job, nor its subject below the publisher's prefix: nothing of it is checked. The errors are
// those of [Publisher.Publish], and one of the client library's for a header that cannot be written.
func (p *Publisher) Republish(ctx context.Context, m Message, requestID, msgID string) (Ack, error) {
	if p.invalid != nil {
		return Ack{}, fmt.Errorf("publish: %w", p.invalid)
	}
	header := nats.Header{HeaderMsgID: {msgID}, HeaderRequestID: {requestID}}
	for name, values := range m.Header {
		if !namesRequest(name) {
			header[name] = slices.Clone(values)
		}
	}
	pending := &Pending{
		publisher: p, ack: Ack{RequestID: requestID},
		msg: &nats.Msg{Subject: m.Subject, Header: header, Data: m.Data},
	}
	if err := pending.send(ctx); err != nil {
		return pending.ack, err
	}
	return pending.Wait(ctx)
}

// namesRequest reports whether a header belongs to one request, or one storing, of a message.
func namesRequest(name string) bool {
	const brokers = "nats-" // an expectation or a roll-up would act again
	if len(name) >= len(brokers) && strings.EqualFold(name[:len(brokers)], brokers) {
		return true
	}
	return slices.ContainsFunc([]string{HeaderRunID, HeaderRequestID, HeaderOccurrence}, func(h string) bool {
		return strings.EqualFold(name, h)
	})
}
