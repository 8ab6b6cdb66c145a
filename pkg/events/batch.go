package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// MaxBatch is how many jobs a stream takes as one atomic batch.
const MaxBatch = 1000

// The headers of an atomic batch (nats-server, ADR-50). They stay on the stored message, and mean nothing to a job; whoever
// publishes a stored message again must leave them out.
const (
	headerBatchID       = "Nats-Batch-Id"
	headerBatchSequence = "Nats-Batch-Sequence"
	headerBatchCommit   = "Nats-Batch-Commit"
)

// PublishBatch sends up to [MaxBatch] jobs as one atomic batch and returns at once: the stream will have all of them, in
// their order, or none. What keeps a batch from being taken, such as one job that the stream has already, is found out by
// [PendingBatch.Wait], which then sends the jobs one by one. Batches of one goroutine are stored in the order of their calls,
// as long as all are taken. An invalid request fails the call, and nothing is sent.
//
// A batch of more than a few MiB may be dropped by the server for its size alone.
func (p *Publisher) PublishBatch(ctx context.Context, requests []Request) (*PendingBatch, error) {
	if p.invalid != nil {
		return nil, fmt.Errorf("publish: %w", p.invalid)
	}
	if len(requests) > MaxBatch {
		return nil, fmt.Errorf("publish: %d jobs are no batch: it has at most %d", len(requests), MaxBatch)
	}
	b := &PendingBatch{publisher: p, jobs: make([]*Pending, len(requests))}
	for i := range requests {
		msg, err := requests[i].message(p.config.Subjects)
		if err != nil {
			return nil, fmt.Errorf("publish %s: request %d of %d: %w", requests[i].Identity.Type, i+1, len(requests), err)
		}
		b.jobs[i] = &Pending{publisher: p, msg: msg, ack: Ack{RequestID: requests[i].RequestID}}
	}
	for i := range requests { // the last of what can fail is behind us: each span ends with its acknowledgement
		b.jobs[i].span = p.trace(ctx, &requests[i], b.jobs[i].msg)
	}
	b.send(ctx)
	return b, nil
}

// PendingBatch is a batch that was sent and not yet acknowledged. It is for one goroutine at a time.
type PendingBatch struct {
	publisher *Publisher
	jobs      []*Pending
	answer    *nats.Subscription // nil: the jobs are sent one by one
	refused   error              // why they have to be; nil: they were not asked for as a batch
	sent      int                // how many were sent one by one
}

// send sends the batch, if this stream is not known to take none. What fails here fails again one by one, and is told then.
func (b *PendingBatch) send(ctx context.Context) {
	if len(b.jobs) < 2 || b.publisher.noBatches.Load() || ctx.Err() != nil {
		return
	}
	conn := b.publisher.js.Conn()
	inbox := conn.NewInbox()
	id := inbox[strings.LastIndexByte(inbox, '.')+1:] // as unique, and short: it is stored with each message
	answer, err := conn.SubscribeSync(inbox)
	if err != nil {
		return
	}
	for i, job := range b.jobs {
		if err = conn.PublishMsg(inBatch(job.msg, id, i+1, len(b.jobs), answer.Subject)); err != nil {
			_ = answer.Unsubscribe() // the server drops what it has of the batch
			return
		}
	}
	b.answer = answer
}

// inBatch returns a message as a member of a batch. The last one asks the server to commit it, and to answer.
func inBatch(m *nats.Msg, id string, number, count int, inbox string) *nats.Msg {
	header := make(nats.Header, len(m.Header)+3)
	for name, values := range m.Header {
		header[name] = values
	}
	set(header, headerBatchID, id)
	set(header, headerBatchSequence, strconv.Itoa(number))
	member := &nats.Msg{Subject: m.Subject, Header: header, Data: m.Data}
	if number == count {
		set(header, headerBatchCommit, "1")
		member.Reply = inbox
	}
	return member
}

// Wait returns when the stream has all jobs, or one has failed. acks[i] is about the i-th request; its Seq is 0 when the stream
// is not known to have it. After an error the jobs before the first of these are in the stream. The errors are those of [Publisher.Publish], and about that job.
// When the context ends first, Wait may be called again.
func (b *PendingBatch) Wait(ctx context.Context) (acks []Ack, err error) {
	if b.answer != nil {
		acks, err = b.commit(ctx)
		if err == nil || b.answer != nil {
			return acks, err
		}
		b.refused = err
	}
	return b.oneByOne(ctx)
}

// Refused tells why the batch was not taken as one, after Wait; nil when it was, or was not sent as one.
func (b *PendingBatch) Refused() error { return b.refused }

// commit waits for the server's word about the whole batch.
func (b *PendingBatch) commit(ctx context.Context) ([]Ack, error) {
	wait, cancel := context.WithTimeout(ctx, b.publisher.config.AckTimeout)
	defer cancel()
	reply, err := b.answer.NextMsgWithContext(wait)
	if err != nil && ctx.Err() != nil {
		return b.acks(), explain(b.jobs[0].msg.Subject, ctx.Err())
	}
	_ = b.answer.Unsubscribe()
	b.answer = nil
	for _, job := range b.jobs {
		job.ack.Tries = 1 // it may be stored: a duplicate of what follows may be this very sending
	}
	if err != nil {
		return nil, err
	}
	last, err := b.read(reply)
	if err != nil {
		return nil, err
	}
	for i, job := range b.jobs {
		job.ack.Stream, job.ack.Seq = last.Stream, last.Seq-uint64(len(b.jobs)-1-i)
		job.done = true
		job.sent(nil)
	}
	return b.acks(), nil
}

// batchAck is the answer to the last message of a batch.
type batchAck struct {
	Stream string              `json:"stream"`
	Seq    uint64              `json:"seq"`
	Count  int                 `json:"count"`
	Error  *jetstream.APIError `json:"error"`
}

var errNotAsBatch = errors.New("this server does not know batches")

// read reads the server's answer. Whatever the error: of a batch that the server refuses it has stored nothing.
func (b *PendingBatch) read(reply *nats.Msg) (batchAck, error) {
	var ack batchAck
	if len(reply.Data) == 0 && reply.Header.Get("Status") == "503" {
		return ack, nats.ErrNoResponders
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return ack, fmt.Errorf("read the answer to a batch: %w", err)
	}
	switch {
	case ack.Error != nil:
		if ack.Error.ErrorCode == codeAtomicPublishDisabled {
			b.publisher.noBatches.Store(true)
		}
		for _, job := range b.jobs {
			job.ack.Tries = 0
		}
		return ack, ack.Error
	case ack.Count != len(b.jobs): // a server before 2.12 has taken each for itself
		b.publisher.noBatches.Store(true)
		return ack, errNotAsBatch
	}
	return ack, nil
}

// oneByOne sends the jobs again, each for itself, and waits for all that were sent, also when one of them fails.
func (b *PendingBatch) oneByOne(ctx context.Context) ([]Ack, error) {
	if isFull(b.refused) { // nothing of it is stored, and a part of it would only make the place harder to name
		return b.acks(), b.fail(explain(b.jobs[0].msg.Subject, b.refused))
	}
	var failed error
	for ; b.sent < len(b.jobs) && failed == nil; b.sent++ {
		failed = b.jobs[b.sent].send(ctx)
	}
	if failed != nil {
		b.sent--
	}
	for _, job := range b.jobs[:b.sent] {
		if _, err := job.Wait(ctx); err != nil && failed == nil {
			failed = err
		}
	}
	if failed != nil && ctx.Err() == nil {
		return b.acks(), b.fail(failed)
	}
	return b.acks(), failed
}

// fail ends the spans of jobs that nobody sends any more.
func (b *PendingBatch) fail(err error) error {
	for _, job := range b.jobs {
		job.sent(err)
	}
	return err
}

func (b *PendingBatch) acks() []Ack {
	acks := make([]Ack, len(b.jobs))
	for i, job := range b.jobs {
		acks[i] = job.ack
	}
	return acks
}
