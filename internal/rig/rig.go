// Package rig is how pkg/jobs/jobstest holds a worker in its own process: at which points of an attempt it may be stopped,
// what it tells there, and how it rehearses a handler. It costs workers without one a look at a nil pointer.
package rig

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// Point is a place in the life of an attempt.
type Point string

// The points, in the order in which an attempt comes by them.
const (
	BeforeHandler Point = "before the handler"         // claimed, and the handler has not begun
	BeforeCommit  Point = "before the commit"          // the handler has done its work, and the ledger does not know of it
	BeforeAck     Point = "before the acknowledgement" // the ledger knows, the broker does not
)

// Rig is what the context of a worker's Run carries. Its functions are called from many goroutines, none of them is nil.
type Rig struct {
	// At is called at each point by the goroutine that carries the attempt on, which it may keep. After an error the
	// worker does no more for the attempt, as if it had died there.
	At func(point Point, run uuid.UUID, attempt int) error
	// Judged hears what became of each delivery. Reply is where its acknowledgement goes.
	Judged func(Judged)
	// Relays tells whether the relay may publish this run now.
	Relays func(run uuid.UUID) bool
	// Rehearsal, unless nil, is all that the worker does: it pulls nothing.
	Rehearsal *Rehearsal
}

// Judged is the answer to one delivery.
type Judged struct {
	Seq     uint64
	RunID   uuid.UUID // the run that it is, or that stands for it
	Named   bool      // by the message
	Verdict dedupe.Verdict
	Reply   string
}

// Rehearsal is an attempt of which nothing remains: no claim, and a transaction that is rolled back.
type Rehearsal struct {
	Type  string
	Scope dedupe.Scope
	Input []byte
	// Look sees the effects in the transaction, before it is rolled back. Its context is the handler's.
	Look func(ctx context.Context, tx pgx.Tx)

	Report // set by the worker
}

// Report is what the ledger would have been told.
type Report struct {
	RunID     uuid.UUID
	Outcome   oprun.Outcome // Pending: it would be tried again
	Result    oprun.AttemptResult
	Counts    map[string]int64
	Dropped   int // counts that the type does not declare
	Failures  []oprun.Failure
	Error     string        // the handler's own words
	Delay     time.Duration // until it would be tried again
	Uncounted bool          // the attempt would not count: it was put off
}

type key struct{}

// With returns a context that carries a rig.
func With(ctx context.Context, r *Rig) context.Context { return context.WithValue(ctx, key{}, r) }

// From returns the context's rig, or nil.
func From(ctx context.Context) *Rig {
	r, _ := ctx.Value(key{}).(*Rig)
	return r
}
