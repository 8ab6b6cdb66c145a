package oprun

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Requeue is how an attempt hands its run back to be tried again.
type Requeue struct {
	Hold
	Delay    time.Duration // from the database's now
	GiveBack bool          // it does not count as an attempt: max attempts grows by one
	Input    []byte        // kept in the row, so that the message is no longer needed
	Ended    AttemptResult // empty: nothing to record
	Error    string        // the handler's own words
	Failures []Failure     // kept as NormalizeFailures returns them; for a run that has no attempt left
	Cause    Cause         // who stopped an attempt that ended as cancelled
	Trace    Trace         // kept in the row beside the input
}

func (r Requeue) hold() Hold { return r.Hold }

// Requeue parks runs in the ledger until they are due. The answer tells how each now stands: Pending when it will
// be tried again, Failed when no attempt was left, Cancelled when that was asked for. A run that is not in the
// answer was fenced. It may be sent again when its answer was lost; only of an attempt that left no record, Ended
// being empty, a second answer does not tell whether the first one parked it. One that stands as "" is to be sent
// again: a transaction has its run locked, and does not hold up the others.
func (l *Ledger) Requeue(ctx context.Context, parked []Requeue) (map[uuid.UUID]Outcome, error) {
	stands := make(map[uuid.UUID]Outcome, len(parked))
	err := apart(parked, func(part []Requeue, wait time.Duration) error {
		args, err := requeueArgs(part)
		if err != nil {
			return err
		}
		var found map[uuid.UUID]Outcome
		err = l.whole(ctx, wait, followed(part, Requeue.hold), requeueSQL, args, func(rows pgx.Rows) (err error) {
			found, err = outcomes(rows, len(part))
			return err
		})
		if err == nil { // and not before: it may be taken back
			maps.Copy(stands, found)
		}
		return err
	}, func(p Requeue) { stands[p.RunID] = "" })
	if err != nil {
		return nil, fmt.Errorf("requeue %d runs: %w", len(parked), err)
	}
	return stands, nil
}

// outcomes reads a statement's columns id and outcome.
func outcomes(rows pgx.Rows, n int) (map[uuid.UUID]Outcome, error) {
	found := make(map[uuid.UUID]Outcome, n)
	var id rawID
	var outcome Outcome
	_, err := pgx.ForEachRow(rows, []any{&id, &outcome}, func() error {
		found[id] = outcome
		return nil
	})
	return found, err
}

// requeueArgs are the parameters of requeue.sql.
func requeueArgs(parked []Requeue) ([]any, error) {
	n := len(parked)
	ids, tokens, delays, givenBack := make([]rawID, n), make([]rawID, n), make([]int64, n), make([]bool, n)
	inputs, results, errors, failures := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	causes, contexts := make([]string, n), make([]string, n)
	for i := range parked {
		p := &parked[i]
		ids[i], tokens[i], delays[i], givenBack[i] = rawID(p.RunID), rawID(p.Token), millis(p.Delay), p.GiveBack
		inputs[i], results[i], errors[i], causes[i] = string(p.Input), string(p.Ended), errorText(p.Error), string(p.Cause)
		contexts[i] = string(p.Trace.Context())
		var err error
		if failures[i], err = failuresText(p.Failures); err != nil {
			return nil, fmt.Errorf("failures of run %s: %w", p.RunID, err)
		}
	}
	return []any{ids, tokens, delays, givenBack, inputs, results, errors, failures, causes, sparse(contexts, "")}, nil
}
