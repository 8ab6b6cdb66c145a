package jobs

import (
	"errors"
	"fmt"
	"time"

	"oprun.example/pkg/oprun"
)

// errorKind is what a handler's error asks for.
type errorKind uint8

const (
	tryAgain errorKind = iota
	block
	cancelRun
	snooze
	failForGood
)

// verdictError steers by value; make one with Blocked, Cancel, Snooze, Retry or Permanent.
type verdictError struct {
	kind          errorKind
	code, message string // of the failure summary; empty: handler.error without a message
	after         time.Duration
	err           error
}

func (e *verdictError) Error() string {
	switch {
	case e.err != nil:
		return e.err.Error()
	case e.kind == snooze:
		return fmt.Sprintf("snoozed for %s", e.after)
	default:
		return e.code + ": " + e.message
	}
}

func (e *verdictError) Unwrap() error { return e.err }

// Blocked ends the run as blocked: something outside must change before it makes sense to try again. The code is
// dotted and stable, the message one line without payload; both are kept in the run's failure summary.
func Blocked(code, message string) error {
	return &verdictError{kind: block, code: code, message: message}
}

// Cancel ends the run as cancelled. The error's text goes to the attempt.
func Cancel(err error) error { return &verdictError{kind: cancelRun, err: orUnsaid(err)} }

// Snooze puts the run off by d, which does not count as an attempt.
func Snooze(d time.Duration) error {
	return &verdictError{kind: snooze, after: max(0, d)}
}

// Retry tries the run again after this wait instead of the type's own backoff. It counts as an attempt.
func Retry(err error, after time.Duration) error {
	return &verdictError{kind: tryAgain, after: max(0, after), err: orUnsaid(err)}
}

// Permanent ends the run as failed: trying again would change nothing. The error's text goes to the attempt.
func Permanent(err error) error { return &verdictError{kind: failForGood, err: orUnsaid(err)} }

func orUnsaid(err error) error {
	if err == nil {
		return errors.New("no reason given")
	}
	return err
}

// Causes of a handler's ended context, for context.Cause.
var (
	ErrTimedOut        = errors.New("the job's time is up")
	ErrLeaseLost       = errors.New("the run's lease was lost")
	ErrCancelRequested = errors.New("the run's cancellation was asked for")
	ErrShutdown        = errors.New("the worker is shutting down")
)

// conclusion is what an attempt comes to, before the ledger has agreed.
type conclusion struct {
	outcome  oprun.Outcome // Pending: the run is to be tried again
	ended    oprun.AttemptResult
	delay    time.Duration
	giveBack bool
	failure  oprun.Failure // added to those that the handler recorded; no code: none
	text     string        // the error's own words, for the attempt
	cause    oprun.Cause   // who stopped an attempt that ended as cancelled
}

// conclude reads a handler's error and the cause of its context. A handler that returns nil has succeeded, whatever
// became of its context meanwhile: if the lease was lost, the fence will tell.
func (a *attempt) conclude(err, cause error) conclusion {
	if err == nil {
		return conclusion{outcome: oprun.Succeeded, ended: oprun.AttemptSucceeded}
	}
	var steer *verdictError
	if errors.As(err, &steer) {
		return a.steered(steer)
	}
	switch {
	case errors.Is(cause, ErrShutdown):
		return conclusion{outcome: oprun.Pending, ended: oprun.AttemptCancelled, cause: oprun.ByDrain, giveBack: true, text: err.Error()}
	case errors.Is(cause, ErrCancelRequested):
		return conclusion{outcome: oprun.Cancelled, ended: oprun.AttemptCancelled, cause: oprun.ByOperator, text: err.Error()}
	case errors.Is(cause, ErrTimedOut):
		return a.retry(oprun.AttemptTimedOut, "handler.timed_out", "the job's time was up", err)
	case errors.Is(cause, ErrLeaseLost):
		c := a.retry(oprun.AttemptCancelled, "run.lease_lost", "the worker could not prolong its lease", err)
		c.cause = oprun.ByLeaseLost
		return c
	default:
		var panicked *panicError
		if errors.As(err, &panicked) {
			return a.retry(oprun.AttemptPanicked, "handler.panicked", "the handler panicked", err)
		}
		return a.retry(oprun.AttemptFailed, "handler.error", "", err)
	}
}

// steered is the conclusion that the handler asked for by value.
func (a *attempt) steered(e *verdictError) conclusion {
	c := conclusion{outcome: oprun.Failed, ended: oprun.AttemptFailed, text: e.Error()}
	switch e.kind {
	case snooze:
		return conclusion{outcome: oprun.Pending, giveBack: true, delay: e.after}
	case block:
		c.outcome = oprun.Blocked
	case cancelRun:
		c.outcome, c.ended, c.cause = oprun.Cancelled, oprun.AttemptCancelled, oprun.ByHandler
		return c
	case tryAgain:
		c.outcome, c.delay = oprun.Pending, e.after
	case failForGood:
	}
	c.failure = oprun.Failure{Code: e.code, Message: e.message, Count: 1}
	if e.code == "" {
		c.failure.Code = "handler.error"
	}
	return c
}

// retry is the conclusion of an attempt that failed: the ledger ends the run when no attempt is left.
func (a *attempt) retry(ended oprun.AttemptResult, code, message string, err error) conclusion {
	return conclusion{
		outcome: oprun.Pending, ended: ended, text: err.Error(), delay: backoff(a.spec.job.Retry, a.number),
		failure: oprun.Failure{Code: code, Message: message, Count: 1},
	}
}
