package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// Waiter waits for runs to end. The ledger is what it believes; a terminal event only has it look there at once. So an
// event that gets lost, a broker that is away, or a worker that tells nobody costs a wait of two seconds at most, and no
// end is missed. It is safe for concurrent use.
type Waiter struct {
	js       jetstream.JetStream // nil: no stream to read messages in
	conn     *nats.Conn          // nil: no events to hear
	ledger   *oprun.Ledger
	subjects events.Subjects
}

// NewWaiter returns a waiter; subjects must be those of the workers.
func NewWaiter(js jetstream.JetStream, ledger *oprun.Ledger, subjects events.Subjects) *Waiter {
	return &Waiter{js, js.Conn(), ledger, subjects}
}

// Wait returns the run when it has ended, however it did. When the context ends first, the error is its cause, and the run
// as it was last seen. Others are those of [oprun.Ledger.Run], but for a ledger that does not answer: that is waited for.
func (d *Dispatcher) Wait(ctx context.Context, runID uuid.UUID) (oprun.Run, error) {
	w := Waiter{conn: d.waker.conn, ledger: d.ledger, subjects: d.subjects}
	return w.Wait(ctx, runID)
}

// Wait is [Dispatcher.Wait], for a run that is in the ledger.
func (w *Waiter) Wait(ctx context.Context, runID uuid.UUID) (oprun.Run, error) {
	v := w.vigil(func(ctx context.Context) (oprun.Run, error) { return w.ledger.Run(ctx, runID) })
	defer v.deafen()
	return v.keep(ctx)
}

// RejectedError says that a message can never run, and which dead letter has it.
type RejectedError struct {
	LetterID uuid.UUID
	Reason   string // as in docs/protocol.md
	Detail   string
}

// Error tells the reason.
func (e *RejectedError) Error() string {
	return fmt.Sprintf("the message was rejected: %s: %s (dead letter %s)", e.Reason, e.Detail, e.LetterID)
}

// WaitFor returns the run that stands for a published message when that has ended: the one that it made or named, or the
// one that it joined. When the context ends before anybody has claimed the message, the run is zero. Beside the errors of
// [Waiter.Wait] there are [*RejectedError], and [events.ErrNoMessage] when the stream no longer has the message.
func (w *Waiter) WaitFor(ctx context.Context, ack events.Ack) (oprun.Run, error) {
	message, err := events.ReadBack(ctx, w.js, ack.Stream, ack.Seq)
	switch {
	case ctx.Err() != nil:
		return oprun.Run{}, context.Cause(ctx)
	case err != nil:
		return oprun.Run{}, err
	}
	_, jobType, err := w.subjects.Parse(message.Subject)
	if err != nil {
		return oprun.Run{}, fmt.Errorf("message %d of stream %s is no job: %w", ack.Seq, ack.Stream, err)
	}
	sighting := sight(w.subjects, message, jobType)
	v := w.vigil(func(ctx context.Context) (oprun.Run, error) { return w.standsFor(ctx, ack.Stream, sighting) })
	defer v.deafen()
	return v.keep(ctx)
}

// standsFor finds the run of a message. Zero, without an error: there is none yet.
func (w *Waiter) standsFor(ctx context.Context, stream string, message oprun.Sighting) (run oprun.Run, err error) {
	accounts, err := w.ledger.Account(ctx, stream, []oprun.Sighting{message})
	if err != nil {
		return run, err
	}
	switch has := accounts[0]; {
	case has.Run != uuid.Nil:
		return w.ledger.Run(ctx, has.Run)
	case has.Joined != uuid.Nil:
		return w.ledger.Run(ctx, has.Joined)
	case has.DeadLetter != uuid.Nil:
		letter, err := w.ledger.DeadLetter(ctx, has.DeadLetter)
		if err != nil {
			return run, err
		}
		return run, &RejectedError{letter.ID, letter.Reason, letter.Detail}
	default:
		return run, nil
	}
}

// vigil is one wait.
type vigil struct {
	*Waiter
	look        func(ctx context.Context) (oprun.Run, error) // zero, without an error: not there yet
	first, last time.Duration                                // pauses between looks that no event cuts short

	subscription *nats.Subscription
	bell         chan struct{} // capacity 1; rung by events of the run
	run          atomic.Pointer[uuid.UUID]
}

func (w *Waiter) vigil(look func(ctx context.Context) (oprun.Run, error)) *vigil {
	return &vigil{Waiter: w, look: look, first: 20 * time.Millisecond, last: 2 * time.Second, bell: make(chan struct{}, 1)}
}

// keep looks until the run has ended.
func (v *vigil) keep(ctx context.Context) (seen oprun.Run, err error) {
	for pause := v.first; ; pause = min(2*pause, v.last) {
		run, err := v.ask(ctx)
		switch {
		case err == nil:
			seen = run
		case ctx.Err() == nil && !oprun.Unavailable(err):
			return seen, err
		}
		if seen.CompletedAt != nil {
			return seen, nil
		}
		if seen.ID != uuid.Nil && v.listen(ctx, seen) {
			continue // it may have ended before we could hear of it
		}
		if !v.sleep(ctx, pause) {
			return seen, context.Cause(ctx)
		}
	}
}

// ask looks once, and does not let a connection that hangs hold it up.
func (v *vigil) ask(ctx context.Context) (oprun.Run, error) {
	patient, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	return v.look(patient)
}

// listen has the bell rung when the run ends. It reports whether that is new.
func (v *vigil) listen(ctx context.Context, run oprun.Run) bool {
	if known := v.run.Swap(&run.ID); known != nil || v.conn == nil || !v.conn.IsConnected() {
		return false
	}
	subscription, err := v.conn.Subscribe(v.subjects.Terminal("*", run.Scope(), run.Type), v.hear)
	if err != nil {
		return false
	}
	v.subscription = subscription
	patient, cancel := context.WithTimeout(ctx, announcePatience)
	defer cancel()
	return v.conn.FlushWithContext(patient) == nil
}

func (v *vigil) hear(msg *nats.Msg) {
	var event struct {
		ID uuid.UUID `json:"id"`
	}
	if json.Unmarshal(msg.Data, &event) == nil && event.ID == *v.run.Load() {
		ring(v.bell)
	}
}

func (v *vigil) deafen() {
	if v.subscription != nil {
		_ = v.subscription.Unsubscribe()
	}
}

// sleep waits for the bell, or for a while. It is false when the context has ended.
func (v *vigil) sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-v.bell:
	case <-timer.C:
	}
	return true
}
