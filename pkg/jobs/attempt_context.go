package jobs

import (
	"context"
	"errors"
	"time"
)

// attemptContext is a handler's context: it ends when the attempt is stopped, with that cause, or when its time is up,
// with ErrTimedOut. The standard library would take two contexts for that, one in the other, which cost a job more
// than its claim does. Contexts made from this one, and context.Cause, treat it as one of theirs; but those end with
// context.Canceled when the time is up.
//
//nolint:containedctx // it is a context
type attemptContext struct {
	context.Context // ends with a cause
	end             context.CancelCauseFunc
	deadline        time.Time
	timer           *time.Timer // nil until startTimer
}

func newAttemptContext(parent context.Context) *attemptContext {
	ctx, end := context.WithCancelCause(parent)
	return &attemptContext{Context: ctx, end: end}
}

// startTimer gives the handler this long. It is called once, before the context is handed out.
func (c *attemptContext) startTimer(timeout time.Duration) {
	c.deadline = time.Now().Add(timeout)
	c.timer = time.AfterFunc(timeout, func() { c.end(ErrTimedOut) })
}

// release frees what the context holds.
func (c *attemptContext) release() {
	if c.timer != nil {
		c.timer.Stop()
	}
	c.end(nil)
}

// Deadline returns when the handler's time is up.
func (c *attemptContext) Deadline() (deadline time.Time, ok bool) { return c.deadline, c.timer != nil }

// Err returns context.DeadlineExceeded when the time is up, as a handler may expect.
func (c *attemptContext) Err() error {
	err := c.Context.Err()
	if err != nil && errors.Is(context.Cause(c.Context), ErrTimedOut) {
		return context.DeadlineExceeded
	}
	return err
}
