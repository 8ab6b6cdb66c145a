package jobs

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The time of running handlers begins when the worker is asked to stop, whatever its other parts still do.
func TestStopLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &Worker{hands: newHands(), config: Config{DrainTimeout: time.Minute}}
		a := &attempt{delivery: &delivery{}}
		w.hands.arrived(a.delivery)
		w.hands.claimed(a)
		stopping, stop := context.WithCancel(t.Context())
		go w.stopLate(stopping, t.Context())
		ctx := a.context(t.Context())
		defer ctx.release()
		asked := time.Now()
		stop()
		<-ctx.Done()
		if took := time.Since(asked); took != time.Minute || !errors.Is(context.Cause(ctx), ErrShutdown) {
			t.Errorf("it was stopped after %s by %v, want a minute and %v", took, context.Cause(ctx), ErrShutdown)
		}
	})
}

// A stopping worker waits for a blocked job while the ledger answers, and lets go of queued statements when it does not.
func TestDrainAbandonsWhenTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &Worker{effects: make(chan *attempt)}
		effects, drained := make(chan struct{}), make(chan struct{})
		settling, abandon := context.WithCancel(t.Context())
		go func() {
			defer close(drained)
			w.drain(effects, abandon)
		}()
		<-time.After(3 * lastWords)
		synctest.Wait()
		if settling.Err() != nil {
			t.Error("they were let go of while the ledger answered")
		}
		w.away.Store(true)
		<-settling.Done()
		close(effects)
		<-drained
	})
}
