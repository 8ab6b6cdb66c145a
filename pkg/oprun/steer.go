package oprun

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Cancel cancels a run, and returns it as it then stands. A queued run has ended with that. A running one keeps its
// identity: the heartbeat brings the request to its handler, and the attempt ends the run, or after its lease the
// sweeper; until then cancel_requested_at is set. A run that has ended before is returned as it is.
//
// By is who asks, and reason why; both are kept in context.cancellation. The error is ErrNotFound for an unknown run,
// and one that [Unavailable] recognises when a transaction has the run locked.
func (l *Ledger) Cancel(ctx context.Context, id uuid.UUID, by, reason string) (Run, error) {
	args := []any{id, initiatorOf(by), OneLine(reason, MaxFailureMessage)}
	err := l.promoting(ctx, laneWait, []rawID{rawID(id)}, cancelSQL, args, func(rows pgx.Rows) error {
		rows.Close()
		return rows.Err()
	})
	if err != nil {
		return Run{}, fmt.Errorf("cancel run %s: %w", id, err)
	}
	return l.Run(ctx, id)
}

// ErrNoInput says that a run keeps no input, and so cannot be tried again: it ended before its message's payload was
// kept.
var ErrNoInput = errors.New("the run keeps no input")

// ErrSucceeded says that a run has succeeded: it is not run again by a slip of the hand. Ask for the job anew.
var ErrSucceeded = errors.New("the run has succeeded")

// ErrActive says that a run has not ended, and so cannot be tried again.
var ErrActive = errors.New("the run is active")

// ActiveRunError says that another run holds the identity.
type ActiveRunError struct{ RunID uuid.UUID }

// Error names the run that holds the identity.
func (e *ActiveRunError) Error() string {
	return fmt.Sprintf("run %s of the same identity is active", e.RunID)
}

// RetriedError says that a run was tried again before. That it has failed once more is no reason to begin with the old
// one: its retry can be retried.
type RetriedError struct{ RunID uuid.UUID }

// Error names the run as which it was tried again.
func (e *RetriedError) Error() string {
	return fmt.Sprintf("it was tried again before, as run %s", e.RunID)
}

// Retry tries a terminal run again, as a new run of the same identity with context.retry_of: the old one stays as it
// is, but for context.retried_as, which names the new one. So a run is tried again once, however often one asks; the next
// try is that of the new run. Initiator is who asks; empty means system. Input is for a run that keeps none, nil otherwise.
//
// The error is ErrNotFound, ErrActive, ErrSucceeded, ErrNoInput, an [*ActiveRunError] that names the run which holds the identity
// now, or a [*RetriedError].
func (l *Ledger) Retry(ctx context.Context, id uuid.UUID, initiator string, input []byte) (Run, error) {
	newID, err := uuid.NewV7()
	if err != nil {
		return Run{}, err
	}
	tag, err := l.pool.Exec(ctx, retrySQL, id, newID, initiatorOf(initiator), optional(string(input)))
	if err == nil && tag.RowsAffected() == 0 {
		err = l.whyNotRetried(ctx, id, len(input) > 0)
	}
	if err != nil {
		return Run{}, fmt.Errorf("retry run %s: %w", id, err)
	}
	return l.Run(ctx, newID)
}

// initiatorOf is a person as the relay can publish them: one line, which no header refuses.
func initiatorOf(name string) string {
	const longest = 128
	return cmp.Or(OneLine(name, longest), systemInitiator)
}

// whyNotRetried looks for what stood in the way.
func (l *Ledger) whyNotRetried(ctx context.Context, id uuid.UUID, hasInput bool) error {
	var outcome Outcome
	var kept bool
	var retried, owner *uuid.UUID
	err := l.pool.QueryRow(ctx, notRetriedSQL, id).Scan(&outcome, &kept, &retried, &owner)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ErrNotFound
	case err != nil:
		return err
	case outcome == Pending:
		return ErrActive
	case outcome == Succeeded:
		return ErrSucceeded
	case owner != nil:
		return &ActiveRunError{*owner}
	case retried != nil:
		return &RetriedError{*retried}
	case !kept && !hasInput:
		return ErrNoInput
	default: // the owner ended between the two statements
		return fmt.Errorf("the run that held the identity has just ended: ask again")
	}
}
