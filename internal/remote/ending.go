package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"oprun.example/pkg/jobs"
)

// fate is what becomes of a run by the status or the exit code of an attempt.
type fate uint8

const (
	done    fate = iota // the work was done: the report says how it went
	again               // to be tried again
	forGood             // failed, and trying again would change nothing
)

// ending is what one attempt came to.
type ending struct {
	fate   fate
	after  time.Duration // with again: the wait that was asked for; 0: the type's own backoff
	report report
	err    error // with again and forGood: the text for the attempt
}

func tryAgain(err error) ending { return ending{fate: again, err: err} }

// unreadable is the ending of work that was done by one whose report cannot be read. The reason goes to the run's
// failure summary, so it quotes nothing of the report.
func unreadable(err error) ending {
	said := report{failures: []failure{{Code: "handler.response_invalid", Message: err.Error()}}}
	return ending{fate: forGood, report: said, err: err}
}

// stopped is the error of an attempt that ended with its context. It is a plain one: what it means for the run is
// read from the context's cause.
func stopped(ctx context.Context, what string) error {
	return fmt.Errorf("%s: %w (%w)", what, context.Cause(ctx), ctx.Err())
}

// tell tells the job what was reported, and returns the error that a handler in Go would.
func (e ending) tell(work *jobs.Work) error {
	failures, err := e.steer()
	for key, n := range e.report.counts {
		work.Count(key, n)
	}
	for _, f := range failures {
		work.Failure(f.Code, f.Message)
	}
	return err
}

// steer returns the failures to record, and the error that steers the run.
func (e ending) steer() ([]failure, error) {
	failures := e.report.failures
	switch {
	case e.fate == forGood:
		return failures, jobs.Permanent(e.err)
	case e.fate == again && e.after > 0:
		return failures, jobs.Retry(e.err, e.after)
	case e.fate == again:
		return failures, e.err
	default:
		return e.report.steer()
	}
}

// steer is for work that was done, which may have gone otherwise than well.
func (r report) steer() ([]failure, error) {
	switch r.outcome {
	case blocked:
		why, others := r.reason("handler.blocked", "the handler gave no reason")
		return others, jobs.Blocked(why.Code, why.Message)
	case failed:
		return r.failures, jobs.Permanent(errors.New("the handler reported that it failed"))
	case cancelled:
		return r.failures, jobs.Cancel(errors.New("the handler reported that it was cancelled"))
	case partiallySucceeded:
		why, others := r.reason("handler.partially_succeeded", "the handler named no failure")
		return append([]failure{why}, others...), nil
	case succeeded:
	}
	return r.failures, nil
}

// reason is the first failure, or this one when there is none, and the others.
func (r report) reason(code, message string) (failure, []failure) {
	if len(r.failures) == 0 {
		return failure{code, message}, nil
	}
	return r.failures[0], r.failures[1:]
}
