package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/internal/failpoint"
	"oprun.example/internal/rig"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/oprun"
)

// Work is one attempt of a run: what a handler knows of it, and says about it. Its methods are safe for concurrent
// use while the handler runs.
type Work struct {
	RunID       uuid.UUID // stays the same over all attempts: the idempotency key for effects elsewhere
	Type        string
	Scope       dedupe.Scope
	Attempt     int // 1 for the first
	MaxAttempts int
	Initiator   string
	Input       []byte // one JSON object
	TraceParent string // W3C trace context for what the attempt asks of others: its span's, else the producer's, or ""
	TraceState  string

	ledger  *oprun.Ledger
	attempt *attempt
	log     *slog.Logger

	mu        sync.Mutex
	counts    map[string]int64
	failures  []oprun.Failure
	committed oprun.Outcome // how Commit ended the run; empty before
	failed    error         // of the last Commit that did not end the run
	dropped   int           // counts that the last result left out
	told      told          // the last result

	queued   []oprun.Statement
	misused  error // of the first that cannot be queued
	sealed   bool  // no more are taken: Commit is ending the run, or has, or the handler has returned
	sent     bool  // Commit has sent the end of the run
	late     bool  // one came when no more were taken
	returned bool  // the handler has
}

// Count adds n to a summary count of the run. Only the counts of the attempt that ends the run are kept: the
// standard keys and those that the type declares. A negative sum or any other key is dropped.
func (w *Work) Count(key string, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = make(map[string]int64)
	}
	w.counts[key] += n
}

// Failure records that a part of the job failed. A handler that then returns nil has partially succeeded. The code
// is dotted and stable, the message one line without payload, at most 140 characters.
func (w *Work) Failure(code, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, oprun.Failure{Code: code, Message: message, Count: 1})
}

// ErrCommitted is returned by a second Commit: the run has ended with the first.
var ErrCommitted = errors.New("the run was committed before")

// Commit runs fn in a transaction on the ledger's database and ends the run in the same commit: the effects of fn
// happen exactly once. After a nil error the run has succeeded (partially, if failures were recorded), and what the
// handler still returns changes nothing.
//
// When fn fails, its error is returned and nothing is committed. When another attempt has taken the run, the error
// is one that oprun.IsFenced knows, everything is rolled back, and the handler should return. Counts and failures
// recorded in an fn that was rolled back are forgotten.
//
// A run never succeeds without effects that were meant to be: when no later Commit makes a failed one good, a handler
// that returns nil has failed with that error. One that wants to succeed with nothing commits an fn that does nothing.
func (w *Work) Commit(ctx context.Context, fn func(tx pgx.Tx) error) error {
	w.mu.Lock()
	if w.committed != "" {
		w.mu.Unlock()
		return ErrCommitted
	}
	counts, failures, queued := maps.Clone(w.counts), slices.Clone(w.failures), len(w.queued)
	w.mu.Unlock()

	outcome, err := w.commit(ctx, fn)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.committed = outcome
	case w.committed == "": // not by another at the same time
		w.counts, w.failures, w.failed = counts, failures, err
		w.queued, w.sealed, w.sent = w.queued[:queued], w.returned, false
	}
	return err
}

// land notes that the run has ended, with the queued statements.
func (w *Work) land(outcome oprun.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.committed = outcome
}

// uncommitted returns the error of a Commit that no later one made good, or of a Queue.
func (w *Work) uncommitted() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.committed != "":
		return nil
	case w.failed != nil:
		return fmt.Errorf("the effects were not committed: %w", w.failed)
	default:
		return w.misused
	}
}

func (w *Work) commit(ctx context.Context, fn func(tx pgx.Tx) error) (oprun.Outcome, error) {
	tx, err := w.ledger.Begin(ctx)
	if err != nil {
		return "", fmt.Errorf("begin effects: %w", err)
	}
	// Rolled back also when the context is gone, or the connection would be lost to the pool.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := w.play(ctx, tx, fn); err != nil {
		return "", err
	}
	if err := failpoint.Hit(failpoint.FinishBefore); err != nil {
		return "", err
	}
	if err := w.attempt.at(rig.BeforeCommit); err != nil {
		return "", err
	}
	if err := w.goes(); err != nil {
		return "", err
	}
	result := w.result(conclusion{outcome: oprun.Succeeded, ended: oprun.AttemptSucceeded})
	if show := w.attempt.rehearsed(); show != nil {
		show(ctx, tx)
		return result.Outcome, nil
	}
	w.attempt.ending.Store(true)
	if err = tx.Land(ctx, result); err != nil {
		err = w.settle(ctx, result.Hold, err)
	}
	if err != nil {
		w.attempt.ending.Store(false)
		w.attempt.noteFence(err)
	}
	return result.Outcome, err
}

// settle finds out what became of a commit that was not answered: nil when it did happen. It asks until the
// database answers or the attempt's time is over; after that the worker asks once more, before it calls the attempt
// fenced. That a lock was not to be had is an answer.
func (w *Work) settle(ctx context.Context, hold oprun.Hold, commitErr error) error {
	unclear := oprun.Unavailable(commitErr) && !oprun.Locked(commitErr)
	for wait := newPause(); unclear && ctx.Err() == nil; wait.sleep(ctx) {
		done, err := w.ledger.Confirm(ctx, []oprun.Hold{hold})
		if _, ours := done[hold.RunID]; ours {
			return nil
		}
		if err == nil {
			break
		}
	}
	return commitErr
}

// result is what the ledger is told, with the counts and failures of the handler.
func (w *Work) result(c conclusion) oprun.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	failures := w.failures
	if c.failure.Code != "" {
		failures = append(slices.Clone(failures), c.failure)
	}
	if c.outcome == oprun.Succeeded && len(failures) > 0 {
		c.outcome = oprun.PartiallySucceeded
	}
	r := oprun.Result{
		Hold: w.attempt.hold, Outcome: c.outcome, Failures: oprun.NormalizeFailures(failures), Ended: c.ended, Error: c.text,
		Cause: c.cause, Cooldown: w.attempt.spec.job.Cooldown,
	}
	if c.outcome != oprun.Succeeded && c.outcome != oprun.PartiallySucceeded {
		r.Input = w.Input
	}
	if len(w.counts) > 0 {
		r.Counts, w.dropped = oprun.NormalizeCounts(w.counts, w.attempt.spec.job.Counts)
	}
	w.told = told{r.Outcome, r.Counts, r.Failures}
	return r
}

// end returns how Commit ended the run, or "".
func (w *Work) end() oprun.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.committed
}

// LogValue shows what a log line needs of an attempt; never the input.
func (w *Work) LogValue() slog.Value {
	attrs := append(make([]slog.Attr, 0, 6), slog.String("run_id", w.RunID.String()), slog.String("job_type", w.Type),
		slog.String("scope", w.Scope.String()), slog.Int("attempt", w.Attempt))
	traceID, spanID := w.traceIDs()
	if traceID != "" {
		attrs = append(attrs, slog.String("trace_id", traceID))
	}
	if spanID != "" {
		attrs = append(attrs, slog.String("span_id", spanID))
	}
	return slog.GroupValue(attrs...)
}

// pause is a growing wait between tries.
type pause struct{ next time.Duration }

func newPause() *pause { return &pause{50 * time.Millisecond} }

// sleep waits, or returns at once when the context ends.
func (p *pause) sleep(ctx context.Context) {
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	p.next = min(2*p.next, 2*time.Second)
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
