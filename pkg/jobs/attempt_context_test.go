package jobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAttemptContext(t *testing.T) {
	t.Parallel()
	t.Run("ends when its time is up, and with it what was made from it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			ctx := newAttemptContext(t.Context())
			defer ctx.release()
			if _, ok := ctx.Deadline(); ok {
				t.Error("there is a deadline before the handler's time has begun")
			}
			ctx.startTimer(time.Minute)
			child, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			<-child.Done()
			if took := time.Since(began); took != time.Minute {
				t.Errorf("it ended after %s", took)
			}
			if deadline, ok := ctx.Deadline(); !ok || !deadline.Equal(began.Add(time.Minute)) {
				t.Errorf("deadline %v, %t", deadline, ok)
			}
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("Err: %v", ctx.Err())
			}
			if !errors.Is(child.Err(), context.Canceled) {
				t.Errorf("Err of a context made from it: %v", child.Err())
			}
			for _, c := range []context.Context{ctx, child} {
				if !errors.Is(context.Cause(c), ErrTimedOut) {
					t.Errorf("cause: %v", context.Cause(c))
				}
			}
		})
	})
	t.Run("ends with the cause of whoever stops it", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			a := &attempt{}
			ctx := a.context(t.Context())
			ctx.startTimer(time.Minute)
			a.stop(ErrLeaseLost)
			if !errors.Is(ctx.Err(), context.Canceled) || !errors.Is(context.Cause(ctx), ErrLeaseLost) {
				t.Errorf("Err %v, cause %v", ctx.Err(), context.Cause(ctx))
			}
			ctx.release() // else its timer would keep the bubble from ending at once
		})
	})
}
