package proc

import (
	"context"
	"errors"
	"time"
)

// DefaultWait is how long a process waits for a service at its start.
const DefaultWait = 30 * time.Second

const (
	firstPause = 50 * time.Millisecond
	lastPause  = time.Second
	// tryTimeout bounds one attempt, so that a host that swallows packets leaves time for another.
	tryTimeout = 5 * time.Second
)

// await calls try until it succeeds, says that more tries are of no use, or wait is over; it tries at least once. It
// returns the last error of try, or the cause when ctx ends first.
func await(ctx context.Context, wait time.Duration, try func(context.Context) error, useless func(error) bool) error {
	over := time.NewTimer(wait)
	defer over.Stop()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := tryOnce(ctx, try)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if useless(err) {
			return err
		}
		select {
		case <-over.C:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

func tryOnce(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return try(ctx)
}

// unavailable makes the error of a service that did not come, except when it was us who gave up.
func unavailable(ctx context.Context, err error, hint string) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return err
	}
	return &Error{Code: Unavailable, Err: err, Hint: hint}
}
