package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
)

// book is the publisher's own account: what it asked for and what the broker answered. The audit trusts nothing
// else.
type book struct {
	requests   []accepted
	published  int // messages sent
	suppressed int // of these, refused by the broker as sent before
	joins      int // requests whose identity was asked for twice: one of the two must join the other's run
	runs       int // runs there must be in the end
}

// accepted is a request that the broker has taken.
type accepted struct {
	jobType string
	runID   uuid.UUID // of the run it makes, or the delivery it is recorded as
}

// kindOf spreads the types: most jobs are Go.
func kindOf(i int) string {
	switch {
	case i%50 == 49:
		return fileType
	case i%10 == 9:
		return orderType
	default:
		return rowType
	}
}

// publish sends all messages, pipelined. Of ten jobs, two have a duplicate each behind them: in turn the same
// request again (suppressed by the broker), the same request under another Nats-Msg-Id (answered by the ledger), and
// twice a new request of the same identity, while the first is active.
func (s *stage) publish(ctx context.Context, config Config) (*book, error) {
	cat, err := newCatalog()
	if err != nil {
		return nil, err
	}
	p := &publication{
		book: &book{}, publisher: events.NewPublisher(s.js, events.PublisherConfig{}),
		scope: s.scope(), rule: cat.Jobs[rowType].Rule(),
	}
	// A fifth of the messages are duplicates: four jobs make five messages.
	for i := 0; p.published < config.Jobs; i++ {
		if err := p.job(ctx, i); err != nil {
			return nil, err
		}
	}
	return p.book, p.settle(ctx)
}

type publication struct {
	*book
	publisher *events.Publisher
	scope     dedupe.Scope
	rule      dedupe.Rule
	pending   []*events.Pending
}

// job sends job number i, and its duplicate if it is one of those that have one.
func (p *publication) job(ctx context.Context, i int) error {
	kind := kindOf(i)
	const every = 4
	duplicate := i / every % 4 // which kind of duplicate
	if i%every != every-1 {
		return p.request(ctx, kind, input{Key: fmt.Sprint(i)}, uuid.NewString())
	}
	requestID := uuid.NewString()
	switch duplicate {
	case 0: // the producer's retry
		if err := p.request(ctx, kind, input{Key: fmt.Sprint(i)}, requestID); err != nil {
			return err
		}
		return p.again(ctx, kind, i, requestID, "")
	case 1: // the same request from elsewhere
		if err := p.request(ctx, kind, input{Key: fmt.Sprint(i)}, requestID); err != nil {
			return err
		}
		return p.again(ctx, kind, i, requestID, "other/"+requestID)
	default: // a second request for work that is still active; the handler in Go waits for it
		both := input{Key: fmt.Sprint(i), Twin: true}
		if err := p.request(ctx, rowType, both, requestID); err != nil {
			return err
		}
		p.joins++
		p.runs--
		return p.request(ctx, rowType, both, uuid.NewString())
	}
}

// request sends a new request, which the book then holds the ledger to.
func (p *publication) request(ctx context.Context, kind string, in input, requestID string) error {
	p.requests = append(p.requests, accepted{kind, dedupe.ByRequest(requestID, time.Time{}).RunID(p.scope, kind)})
	p.runs++
	return p.send(ctx, kind, in, requestID, "")
}

// again sends a request that the book knows.
func (p *publication) again(ctx context.Context, kind string, i int, requestID, msgID string) error {
	return p.send(ctx, kind, input{Key: fmt.Sprint(i)}, requestID, msgID)
}

func (p *publication) send(ctx context.Context, kind string, in input, requestID, msgID string) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	identity, err := p.rule.Identify(p.scope, kind, body, dedupe.Occurrence{})
	if err != nil {
		return err
	}
	pending, err := p.publisher.PublishAsync(ctx, events.Request{
		Identity: identity, Input: body, RequestID: requestID, MsgID: msgID, Initiator: "demo",
	})
	if err != nil {
		return err
	}
	p.pending = append(p.pending, pending)
	p.published++
	return nil
}

// settle waits for the broker's answers.
func (p *publication) settle(ctx context.Context) error {
	for _, pending := range p.pending {
		ack, err := pending.Wait(ctx)
		if err != nil {
			return err
		}
		if ack.Duplicate {
			p.suppressed++
		}
	}
	return nil
}

// recorded tells whether every join has been answered.
func (b *book) recorded(ctx context.Context, s *stage) bool {
	var n int
	err := s.pool.QueryRow(ctx, "select count(*) from oprun.operation_run_deliveries").Scan(&n)
	return err == nil && n >= b.joins
}
