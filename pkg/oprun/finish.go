package oprun

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Hold is an attempt's hold on its run.
type Hold struct {
	RunID   uuid.UUID
	Token   uuid.UUID // of the claim
	Attempt int
	Lease   time.Duration // how long Extend extends it for
	Follows bool          // a follow-up may wait behind the run: who ends it promotes that
}

func (r Result) hold() Hold { return r.Hold }

// followed are the runs of these holds behind which a follow-up may wait.
func followed[T any](list []T, hold func(T) Hold) (runs []rawID) {
	for _, each := range list {
		if h := hold(each); h.Follows {
			runs = append(runs, rawID(h.RunID))
		}
	}
	return runs
}

// Extended is what a heartbeat brings back about a run that is still held.
type Extended struct {
	CancelRequested bool
	Locked          bool // a transaction is ending the run at this moment: its lease was not prolonged
}

// Extend prolongs the leases of these attempts, from the database's now. A hold that is not in the answer has
// lost its run, or the run has ended. A transaction that ends one run and stays open does not hold up the others.
func (l *Ledger) Extend(ctx context.Context, holds []Hold) (map[uuid.UUID]Extended, error) {
	held := make(map[uuid.UUID]Extended, len(holds))
	err := apart(holds, func(part []Hold, wait time.Duration) error {
		return l.impatient(ctx, wait, extendSQL, extendArgs(part), func(rows pgx.Rows) error {
			return readExtended(rows, held)
		})
	}, func(h Hold) { held[h.RunID] = Extended{Locked: true} })
	if err != nil {
		return nil, fmt.Errorf("extend %d leases: %w", len(holds), err)
	}
	return held, nil
}

// extendArgs are the parameters of extend.sql.
func extendArgs(holds []Hold) []any {
	ids, tokens, leases := make([]rawID, len(holds)), make([]rawID, len(holds)), make([]int64, len(holds))
	for i, h := range holds {
		ids[i], tokens[i], leases[i] = rawID(h.RunID), rawID(h.Token), millis(h.Lease)
	}
	return []any{ids, tokens, leases}
}

func readExtended(rows pgx.Rows, held map[uuid.UUID]Extended) error {
	var id rawID
	var e Extended
	_, err := pgx.ForEachRow(rows, []any{&id, &e.CancelRequested}, func() error {
		held[id] = e
		return nil
	})
	return err
}

// Result is how an attempt ends its run.
type Result struct {
	Hold
	Outcome  Outcome
	Counts   map[string]int64 // normalised: see NormalizeCounts
	Failures []Failure        // normalised: see NormalizeFailures
	Input    []byte           // kept with runs that did not succeed, for a retry; null otherwise
	Ended    AttemptResult
	Error    string        // the handler's own words, for the attempt only
	Cause    Cause         // who stopped an attempt that ended as cancelled
	Cooldown time.Duration // how long a success keeps the identity from running again
}

// Finish ends the runs of these attempts, each with its own outcome. A result that is not in the answer was fenced
// (I9): its attempt no longer owned the run, and nothing was written for it. One that is there as false is to be sent
// again: a transaction has its run locked, and does not hold up the others. After an error the fate of all is unknown:
// ask Confirm before sending them again.
func (l *Ledger) Finish(ctx context.Context, results []Result) (map[uuid.UUID]bool, error) {
	done := make(map[uuid.UUID]bool, len(results))
	err := apart(results, func(part []Result, wait time.Duration) error {
		args, err := finishArgs(part)
		if err != nil {
			return err
		}
		var ended map[uuid.UUID]bool
		err = l.whole(ctx, wait, followed(part, Result.hold), finishSQL, args, func(rows pgx.Rows) (err error) {
			ended, err = finished(rows, len(part))
			return err
		})
		if err == nil { // and not before: it may be taken back
			maps.Copy(done, ended)
		}
		return err
	}, func(r Result) { done[r.RunID] = false })
	if err != nil {
		return nil, fmt.Errorf("finish %d runs: %w", len(results), err)
	}
	return done, nil
}

// summaries are what a result says of its work, as parameters.
func summaries(r Result) (counts, failures string, err error) {
	if counts, err = countsText(r.Counts); err != nil {
		return "", "", fmt.Errorf("counts of run %s: %w", r.RunID, err)
	}
	if failures, err = failuresText(r.Failures); err != nil {
		return "", "", fmt.Errorf("failures of run %s: %w", r.RunID, err)
	}
	return counts, failures, nil
}

// Confirm tells, after an unknown commit, which of these attempts did end their runs, and how. It is true for ever:
// a run that was taken from its attempt carries a record of it. A transaction that is still at one of the runs may be the
// very one whose answer was lost: Confirm waits for it a little, and then returns an error that [Unavailable]
// recognises.
func (l *Ledger) Confirm(ctx context.Context, holds []Hold) (ended map[uuid.UUID]Outcome, err error) {
	ids, attempts, tokens := holdArgs(holds)
	var batch pgx.Batch
	batch.Queue(lockTimeoutSQL, confirmWait.String())
	batch.Queue(l.in(confirmWaitSQL), ids)
	batch.Queue(l.in(confirmSQL), ids, attempts, tokens).Query(func(rows pgx.Rows) error {
		ended, err = outcomes(rows, len(holds))
		return err
	})
	if err := l.db.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, fmt.Errorf("confirm %d runs: %w", len(holds), err)
	}
	return ended, nil
}

// confirmWait is how long Confirm waits for a transaction that is at one of its runs.
const confirmWait = 500 * time.Millisecond

// Fence records attempts whose result was refused.
func (l *Ledger) Fence(ctx context.Context, worker uuid.UUID, holds []Hold) error {
	ids, attempts, tokens := holdArgs(holds)
	if _, err := l.db.Exec(ctx, fenceSQL, ids, attempts, tokens, rawID(worker)); err != nil {
		return fmt.Errorf("record %d fenced attempts: %w", len(holds), err)
	}
	return nil
}

func holdArgs(holds []Hold) (ids []rawID, attempts []int32, tokens []rawID) {
	ids, attempts, tokens = make([]rawID, len(holds)), make([]int32, len(holds)), make([]rawID, len(holds))
	for i, h := range holds {
		ids[i], attempts[i], tokens[i] = rawID(h.RunID), int32(h.Attempt), rawID(h.Token)
	}
	return ids, attempts, tokens
}

// finishArgs are the parameters of finish.sql.
func finishArgs(results []Result) ([]any, error) {
	n := len(results)
	ids, tokens := make([]rawID, n), make([]rawID, n)
	outcomes, attempts, errors := make([]string, n), make([]string, n), make([]string, n)
	counts, failures, inputs := make([]string, n), make([]string, n), make([]string, n)
	causes, cooldowns := make([]string, n), make([]int64, n)
	for i := range results {
		r := &results[i]
		ids[i], tokens[i] = rawID(r.RunID), rawID(r.Token)
		outcomes[i], attempts[i], errors[i] = string(r.Outcome), string(r.Ended), errorText(r.Error)
		inputs[i], causes[i], cooldowns[i] = string(r.Input), string(r.Cause), millis(r.Cooldown)
		var err error
		if counts[i], failures[i], err = summaries(*r); err != nil {
			return nil, err
		}
	}
	return []any{
		ids, tokens, sparse(outcomes, string(Succeeded)), sparse(counts, ""), sparse(failures, ""), sparse(inputs, ""),
		sparse(attempts, string(AttemptSucceeded)), sparse(errors, ""), sparse(causes, ""), sparse(cooldowns, 0),
	}, nil
}

// finished reads the ids that a statement answered with.
func finished(rows pgx.Rows, n int) (map[uuid.UUID]bool, error) {
	ids, err := readIDs(rows, n)
	if err != nil {
		return nil, err
	}
	done := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		done[id] = true
	}
	return done, nil
}
