package events

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/trace"
)

// PublisherConfig is how a [Publisher] publishes. Its zero value works.
type PublisherConfig struct {
	// Subjects spells the subjects of jobs; it must be that of the consumers.
	Subjects Subjects

	// AckTimeout is how long one sending waits for its acknowledgement. Default 5 s.
	AckTimeout time.Duration

	// Tries is how often a message is sent when its acknowledgement is lost, with a connection or otherwise.
	// Default 3.
	Tries int

	// MaxPending is how many messages may wait for their acknowledgement at once. Default 4,000.
	MaxPending int

	// StallWait is how long PublishAsync waits for one of them when there are so many. Default 30 s.
	StallWait time.Duration

	// TracerProvider makes a span of each publication, from its sending to its acknowledgement. Default: none are made,
	// and a job carries the trace context of the caller's span.
	TracerProvider trace.TracerProvider
}

func (c PublisherConfig) withDefaults() PublisherConfig {
	if c.AckTimeout <= 0 {
		c.AckTimeout = 5 * time.Second
	}
	if c.Tries <= 0 {
		c.Tries = 3
	}
	if c.MaxPending <= 0 {
		c.MaxPending = 4000
	}
	if c.StallWait <= 0 {
		c.StallWait = 30 * time.Second
	}
	return c
}

// Publisher publishes jobs to the stream. It is safe for concurrent use and lives as long as its connection.
type Publisher struct {
	js      jetstream.JetStream
	config  PublisherConfig
	tracer  trace.Tracer // nil: none
	invalid error        // of the config or the connection; every publication tells it

	noBatches atomic.Bool // the stream, or its server, has refused an atomic batch for good
}

// NewPublisher returns a publisher on the connection of js. It keeps its own account of what is not acknowledged, so
// what else is published through js does not stall it.
func NewPublisher(js jetstream.JetStream, config PublisherConfig) *Publisher {
	config = config.withDefaults()
	own, err := jetstream.New(js.Conn(),
		jetstream.WithPublishAsyncMaxPending(config.MaxPending), jetstream.WithPublishAsyncTimeout(config.AckTimeout))
	p := &Publisher{js: own, config: config, invalid: errors.Join(err, config.Subjects.Validate())}
	if config.TracerProvider != nil {
		p.tracer = config.TracerProvider.Tracer(TracerName)
	}
	return p
}

// Ack is the broker's word that a job is in the stream.
type Ack struct {
	Stream string
	Seq    uint64

	// Duplicate says that the broker suppressed this message: Seq is that of an earlier one with the same
	// Nats-Msg-Id. After more than one of Tries that may be an earlier sending of this very request.
	Duplicate bool

	// RequestID is that of the request, given or made. It is there after [ErrNoAck], too: asked again with it, the
	// request is the same.
	RequestID string

	Tries int // how often the message was sent
}

// Publish publishes one job and waits until the stream has it. It sends again when the acknowledgement is lost,
// under the same request id and Nats-Msg-Id, for at most Tries × AckTimeout or until the context ends.
//
// When it fails, test for [ErrNoStream], [ErrStreamFull], [ErrNoAck] and, for a bad input, [*Refusal]. After
// ErrNoAck nobody knows whether the job is in the stream: ask again with the request id of the Ack.
func (p *Publisher) Publish(ctx context.Context, request Request) (Ack, error) {
	pending, err := p.PublishAsync(ctx, request)
	if err != nil {
		return Ack{RequestID: request.RequestID}, err // nothing was sent
	}
	ack, err := pending.Wait(ctx)
	pending.sent(err) // also when the context has ended first
	return ack, err
}

// PublishAsync sends one job and returns at once, unless MaxPending messages wait for their acknowledgements. Messages
// of one goroutine are stored in the order of their calls as long as none is sent again. Nothing is known of the job
// before [Pending.Wait] returns, and nothing is sent again unless somebody waits.
func (p *Publisher) PublishAsync(ctx context.Context, request Request) (*Pending, error) {
	if p.invalid != nil {
		return nil, fmt.Errorf("publish: %w", p.invalid)
	}
	msg, err := request.message(p.config.Subjects)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", request.Identity.Type, err)
	}
	pending := &Pending{publisher: p, msg: msg, span: p.trace(ctx, &request, msg), ack: Ack{RequestID: request.RequestID}}
	if err := pending.send(ctx); err != nil {
		pending.sent(err)
		return nil, err
	}
	return pending, nil
}

// Pending is a job that was sent and not yet acknowledged. It is for one goroutine at a time.
type Pending struct {
	publisher *Publisher
	msg       *nats.Msg
	future    jetstream.PubAckFuture
	ack       Ack
	span      trace.Span // until it has ended; nil: none
	err       error
	done      bool
}

// RequestID returns the request id of the job, given or made.
func (p *Pending) RequestID() string { return p.ack.RequestID }

// Wait returns when the stream has the job, or it has failed: see [Publisher.Publish]. When the context ends first,
// Wait may be called again; else it returns the same at every call.
func (p *Pending) Wait(ctx context.Context) (Ack, error) {
	for !p.done {
		select {
		case ack := <-p.future.Ok():
			p.ack.Stream, p.ack.Seq, p.ack.Duplicate = ack.Stream, ack.Sequence, ack.Duplicate
			p.done = true
		case err := <-p.future.Err():
			if lostAck(err) && p.ack.Tries < p.publisher.config.Tries {
				err = p.send(ctx)
			} else {
				err = explain(p.msg.Subject, err)
			}
			p.err, p.done = err, err != nil
		case <-ctx.Done():
			return p.ack, explain(p.msg.Subject, ctx.Err())
		}
	}
	p.sent(p.err)
	return p.ack, p.err
}

// send sends the message once more, or for the first time.
func (p *Pending) send(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return explain(p.msg.Subject, err)
	}
	if p.publisher.js.Conn().IsClosed() { // the library says so in words only
		return explain(p.msg.Subject, nats.ErrConnectionClosed)
	}
	stallWait := p.publisher.config.StallWait
	if deadline, ok := ctx.Deadline(); ok { // the library knows no context here
		stallWait = max(1, min(stallWait, time.Until(deadline)))
	}
	future, err := p.publisher.js.PublishMsgAsync(p.msg, jetstream.WithStallWait(stallWait))
	if err != nil {
		return explain(p.msg.Subject, err)
	}
	p.future = future
	p.ack.Tries++
	return nil
}
