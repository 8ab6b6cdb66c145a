package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Operator does what people ask for that needs both the ledger and the stream. What needs the ledger alone (cancel,
// suspend, list) is the ledger's. It is safe for concurrent use.
type Operator struct {
	js        jetstream.JetStream
	ledger    *oprun.Ledger
	subjects  events.Subjects
	publisher *events.Publisher
}

// NewOperator returns an operator; subjects must be those of the workers.
func NewOperator(js jetstream.JetStream, ledger *oprun.Ledger, subjects events.Subjects) *Operator {
	return &Operator{js, ledger, subjects, events.NewPublisher(js, events.PublisherConfig{Subjects: subjects})}
}

// Retry is [oprun.Ledger.Retry] for every run that may be tried again: one that came as a message and ended before its
// payload was kept (its workers crashed, or it was cancelled while it waited) gets it back from the stream. Initiator is
// who asks.
//
// The errors are those of the ledger's Retry. ErrNoInput says that the stream no longer has its message; a stream that does not answer is another error.
func (o *Operator) Retry(ctx context.Context, runID uuid.UUID, initiator string) (oprun.Run, error) {
	again, noInput := o.ledger.Retry(ctx, runID, initiator, nil)
	if !errors.Is(noInput, oprun.ErrNoInput) {
		return again, noInput
	}
	old, err := o.ledger.Run(ctx, runID)
	if err != nil {
		return oprun.Run{}, err
	}
	if !InStream(old) || old.OriginTime == nil {
		return oprun.Run{}, noInput
	}
	message, err := readOrigin(ctx, o.js, o.subjects, origin{old.ID, old.Scope(), old.Type, *old.OriginStream, uint64(*old.OriginSeq), *old.OriginTime})
	if errors.Is(err, events.ErrNoMessage) {
		return oprun.Run{}, fmt.Errorf("%w, and %w", noInput, err)
	}
	if err != nil {
		return oprun.Run{}, fmt.Errorf("retry run %s: %w", runID, err)
	}
	return o.ledger.Retry(ctx, runID, initiator, message.Input)
}

// InStream reports whether a run that keeps no input may get it back from the stream: it came from there.
func InStream(run oprun.Run) bool { return run.OriginStream != nil && run.OriginSeq != nil }

// Requeued is a dead letter whose message is in the stream again.
type Requeued struct {
	LetterID  uuid.UUID  `json:"dead_letter_id"`
	Subject   string     `json:"subject"`
	Stream    string     `json:"stream"`
	Seq       uint64     `json:"seq"`
	Duplicate bool       `json:"duplicate"` // the stream had it already, from a requeue of a moment ago
	RunID     *uuid.UUID `json:"run_id"`    // the run that it makes unless it joins one; nil: its subject names no job
	At        time.Time  `json:"requeued_at"`
}

// ErrLetterAltered says that the ledger could not keep a message as it was sent, so that it cannot be sent again.
var ErrLetterAltered = errors.New("it was not kept as it was sent")

// Requeue puts a dead letter's message into the stream again: body and headers as they were, to its subject, as a new
// request whose id is made of the letter's. So a letter that is requeued twice is one run, and a message that is refused again
// is another letter. A run that the message named is no longer named.
//
// The error is oprun.ErrNotFound, ErrLetterAltered, or one of [events.Publisher.Publish], after which the letter may be
// requeued again.
func (o *Operator) Requeue(ctx context.Context, letterID uuid.UUID) (Requeued, error) {
	letter, err := o.ledger.DeadLetter(ctx, letterID)
	if err != nil {
		return Requeued{}, err
	}
	if part := letter.Altered(); part != "" {
		return Requeued{}, fmt.Errorf("dead letter %s: %s: %w", letterID, part, ErrLetterAltered)
	}
	message := events.Message{Subject: letter.Subject, Header: letter.Headers, Data: letter.Body}
	ack, err := o.publisher.Republish(ctx, message, requeueID(letterID), "requeue/"+letterID.String())
	if err != nil {
		return Requeued{}, fmt.Errorf("dead letter %s: %w", letterID, err)
	}
	// Only now: a letter that is marked is in the stream.
	at, err := o.ledger.MarkRequeued(ctx, letterID)
	return Requeued{letterID, letter.Subject, ack.Stream, ack.Seq, ack.Duplicate, o.runOf(letter), at}, err
}

// requeueID is the request id of a requeued letter. It has no date, so that a letter can wait for longer than the ledger
// keeps its runs.
func requeueID(letterID uuid.UUID) string { return "letter/" + letterID.String() }

// runOf derives the run that a requeued letter makes.
func (o *Operator) runOf(letter oprun.DeadLetter) *uuid.UUID {
	scope, jobType, err := o.subjects.Parse(letter.Subject)
	if err != nil {
		return nil
	}
	id := dedupe.ByRequest(requeueID(letter.ID), time.Time{}).RunID(scope, jobType)
	return &id
}
