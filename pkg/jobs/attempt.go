package jobs

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"oprun.example/internal/rig"
	"oprun.example/pkg/oprun"
)

// attempt is one claimed run in this process, from the claim until the ledger has taken its end.
type attempt struct {
	*delivery
	hold   oprun.Hold
	number int // of the attempt, from 1
	work   *Work
	end    conclusion
	began  time.Time
	span   *attemptSpan // nil: none

	cancel  context.CancelCauseFunc // of the handler's context; nil until it runs
	cancels sync.Mutex              // guards cancel and cause
	cause   error                   // why it was cancelled, also when that came before it ran

	leaseEnds atomic.Int64 // when the lease ends at the latest, as time.Since(process start) in ns
	fenced    atomic.Bool  // Commit was refused
	ending    atomic.Bool  // Commit is ending the run, or has: the fence tells, not the heartbeat
}

// holdsOf are the holds of these attempts, in the same order.
func holdsOf(these []*attempt) []oprun.Hold {
	holds := make([]oprun.Hold, len(these))
	for i, a := range these {
		holds[i] = a.hold
	}
	return holds
}

// noteFence remembers that the ledger refused the attempt, whatever the handler makes of the error.
func (a *attempt) noteFence(err error) {
	if oprun.IsFenced(err) {
		a.fenced.Store(true)
	}
}

// stop ends the handler's context with this cause, or keeps it from starting with a live one.
func (a *attempt) stop(cause error) {
	a.cancels.Lock()
	defer a.cancels.Unlock()
	if a.cause == nil {
		a.cause = cause
	}
	if a.cancel != nil {
		a.cancel(cause)
	}
}

// context returns the attempt's context, which stop ends.
func (a *attempt) context(parent context.Context) *attemptContext {
	ctx := newAttemptContext(parent)
	a.cancels.Lock()
	defer a.cancels.Unlock()
	a.cancel = ctx.end
	if a.cause != nil {
		ctx.end(a.cause)
	}
	return ctx
}

// start runs a claimed delivery in a goroutine of its own. The lease is counted from before the claim was sent.
func (w *Worker) start(d *delivery, answer oprun.Answer, sent time.Time) {
	a := w.newAttempt(d, answer)
	a.leaseEnds.Store(int64(sent.Add(a.hold.Lease).Sub(w.epoch)))
	w.hands.claimed(a)
	w.running.Go(func() {
		defer func() { // deferred for handlers that end their goroutine
			w.over(a)
			w.slots.give(1)
		}()
		w.run(a)
	})
}

func (w *Worker) newAttempt(d *delivery, answer oprun.Answer) *attempt {
	input := d.job.Input
	if len(answer.Input) > 0 {
		input = answer.Input
	}
	started := &struct { // one allocation
		attempt
		work Work
	}{}
	a := &started.attempt
	a.delivery, a.number, a.work = d, answer.Attempt, &started.work
	a.hold = oprun.Hold{
		RunID: answer.RunID, Token: d.token, Attempt: answer.Attempt, Lease: d.spec.job.Lease, Follows: d.spec.follows(),
	}
	*a.work = Work{
		RunID: answer.RunID, Type: d.job.Type, Scope: d.job.Scope, Attempt: answer.Attempt, MaxAttempts: answer.MaxAttempts,
		Initiator: d.job.Initiator, Input: input, TraceParent: d.job.TraceParent, TraceState: d.job.TraceState,
		ledger: w.ledger, attempt: a, log: w.log,
	}
	return a
}

// run waits for the attempt's turn, runs the handler and notes what it came to.
func (w *Worker) run(a *attempt) {
	ctx := a.context(w.tracing.begin(w.handling, a))
	defer ctx.release()
	leave, ok := w.turn(ctx, a.spec.handler.slots)
	a.began = time.Now()
	if !ok { // claimed but not started
		a.end = conclusion{outcome: oprun.Pending, giveBack: true}
		return
	}
	defer leave()
	if a.at(rig.BeforeHandler) != nil {
		a.end = conclusion{outcome: oprun.Pending, giveBack: true}
		return
	}
	ctx.startTimer(a.spec.job.Timeout)
	m := a.spec.metrics
	m.queueWait.observe(max(0, a.began.Sub(a.job.AcceptedAt)), a.traceParent()) // the broker's clock may be ahead
	m.running.Inc()
	defer m.running.Dec()
	err := errGoexit
	defer func() {
		a.end = a.conclude(err, context.Cause(ctx))
		a.returned()
	}()
	err = call(ctx, a.spec.handler, a.work)
}

// turn waits until the type's own limit lets one more in; leave makes room for the next. It is false when the worker
// is asked to stop, the lease is lost or cancellation asked for before that: what has not begun had better not.
func (w *Worker) turn(ctx context.Context, limit chan struct{}) (leave func(), ok bool) {
	if limit == nil {
		return func() {}, ctx.Err() == nil && w.stopping.Err() == nil
	}
	select {
	case limit <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	case <-w.stopping.Done():
		return nil, false
	}
	if ctx.Err() != nil || w.stopping.Err() != nil { // as well
		<-limit
		return nil, false
	}
	return func() { <-limit }, true
}

// panicError is a handler's panic, with its stack.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.value, e.stack) }

// errGoexit stands for the error of a handler that ended its goroutine (runtime.Goexit, as a test's FailNow does).
var errGoexit error = &panicError{value: "the handler ended its goroutine"}

// call turns a panic into an error. A commit that failed is one too, even if the handler makes nothing of it, and a
// statement that cannot be queued.
func call(ctx context.Context, h *handler, work *Work) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &panicError{value, debug.Stack()}
		}
	}()
	if err := h.run(ctx, work); err != nil {
		return err
	}
	return work.uncommitted()
}
