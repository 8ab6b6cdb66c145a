package proc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = errors.New("down")

func never(error) bool { return false }

func TestAwait(t *testing.T) {
	t.Parallel()
	t.Run("waits for a service that comes up late", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := await(t.Context(), DefaultWait, func(context.Context) error {
				if time.Since(start) < 20*time.Second {
					return errDown
				}
				return nil
			}, never)
			if took := time.Since(start); err != nil || took > 21*time.Second {
				t.Errorf("after %s: %v", took, err)
			}
		})
	})
	t.Run("gives up when the wait is over, with the last error", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := await(t.Context(), DefaultWait, func(context.Context) error { return errDown }, never)
			if took := time.Since(start); !errors.Is(err, errDown) || took != DefaultWait {
				t.Errorf("after %s: %v", took, err)
			}
		})
	})
	t.Run("tries once when there is nothing to wait for", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			err := await(t.Context(), 0, func(context.Context) error { tries++; return errDown }, never)
			if !errors.Is(err, errDown) || tries != 1 {
				t.Errorf("%d tries: %v", tries, err)
			}
		})
	})
}

func TestAwaitCutShort(t *testing.T) {
	t.Parallel()
	t.Run("stops at an answer that will not change", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := await(t.Context(), DefaultWait, func(context.Context) error { return errDown }, func(error) bool { return true })
			if took := time.Since(start); !errors.Is(err, errDown) || took != 0 {
				t.Errorf("after %s: %v", took, err)
			}
		})
	})
	t.Run("a hanging attempt is cut off", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			err := await(t.Context(), DefaultWait, func(ctx context.Context) error {
				if tries++; tries == 2 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}, never)
			if err != nil || tries != 2 {
				t.Errorf("%d tries: %v", tries, err)
			}
		})
	})
	t.Run("a cancel ends it with the cause", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			errSignal := errors.New("interrupt")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(3*time.Second, func() { cancel(errSignal) })
			start := time.Now()
			err := await(ctx, DefaultWait, func(context.Context) error { return errDown }, never)
			if took := time.Since(start); !errors.Is(err, errSignal) || took != 3*time.Second {
				t.Errorf("after %s: %v", took, err)
			}
			if known, ok := errors.AsType[*Error](unavailable(ctx, err, "hint")); ok {
				t.Errorf("a cancel is not an unavailable service: %v", known.Code)
			}
		})
	})
}
