package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Again returns a stored message as it is published once more to be the same occurrence: a ledger that has carried it out
// does nothing. Subject, body and headers are as they were, but for the broker's own (Nats-…), of which it gets a new
// Nats-Msg-Id, and for the place where it was first stored, which it carries with it.
func (m Message) Again(msgID string) Message {
	again := m.with(nats.Header{HeaderMsgID: {msgID}}, brokers)
	if !hasHeader(m.Header, HeaderOccurrence) {
		again.Header[HeaderOccurrence] = []string{m.Place().String()}
	}
	return again
}

// Anew returns a stored message as it is published once more to be a new request of this id. The headers that name the
// old request (the run, the request, the recorded place) go, and so do the broker's own. A CloudEvent keeps its
// attributes; the request id stands over the event's own.
func (m Message) Anew(requestID, msgID string) Message {
	return m.with(nats.Header{HeaderMsgID: {msgID}, HeaderRequestID: {requestID}}, namesRequest)
}

// ReplayedFrom returns the message with the place that it was recorded at, for its run to keep.
func (m Message) ReplayedFrom(place Place) Message {
	return m.with(nats.Header{HeaderReplayedFrom: {place.String()}}, func(name string) bool {
		return strings.EqualFold(name, HeaderReplayedFrom)
	})
}

// with returns the message, which no stream has stored, with these headers and its own but for those that are dropped.
func (m Message) with(header nats.Header, drop func(name string) bool) Message {
	for name, values := range m.Header {
		if !drop(name) {
			header[name] = slices.Clone(values)
		}
	}
	return Message{Subject: m.Subject, Header: header, Data: m.Data}
}

func hasHeader(header nats.Header, name string) bool {
	for has := range header {
		if strings.EqualFold(has, name) {
			return true
		}
	}
	return false
}

// brokers reports whether a header is the broker's: an expectation or a roll-up would act again.
func brokers(name string) bool {
	const prefix = "nats-"
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

// namesRequest reports whether a header belongs to one request, or one storing, of a message.
func namesRequest(name string) bool {
	return brokers(name) || slices.ContainsFunc([]string{HeaderRunID, HeaderRequestID, HeaderOccurrence}, func(h string) bool {
		return strings.EqualFold(name, h)
	})
}

// Republish publishes a stored message again, as [Message.Anew] makes it, and waits until the stream has it. Sent again
// with the same request id it is the same request, however late.
//
// The message need not be a job, nor its subject below the publisher's prefix: nothing of it is checked. The errors are
// those of [Publisher.Publish], and one of the client library's for a header that cannot be written.
func (p *Publisher) Republish(ctx context.Context, m Message, requestID, msgID string) (Ack, error) {
	pending, err := p.Send(ctx, m.Anew(requestID, msgID))
	if err != nil {
		return Ack{RequestID: requestID}, err
	}
	return pending.Wait(ctx)
}

// Send sends a message as it is, without looking at it, and does not wait for its acknowledgement: see
// [Publisher.PublishAsync].
func (p *Publisher) Send(ctx context.Context, m Message) (*Pending, error) {
	if p.invalid != nil {
		return nil, fmt.Errorf("publish: %w", p.invalid)
	}
	pending := &Pending{publisher: p, msg: &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}}
	if ids := m.Header[HeaderRequestID]; len(ids) > 0 {
		pending.ack.RequestID = ids[0]
	}
	if err := pending.send(ctx); err != nil {
		return nil, err
	}
	return pending, nil
}

// Refused reports whether the broker has refused one message for what it is, so that another may fare better: it is
// larger than the stream, or the connection, takes.
func Refused(err error) bool {
	const codeTooLarge jetstream.ErrorCode = 10054
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.ErrorCode == codeTooLarge || errors.Is(err, nats.ErrMaxPayload)
}
