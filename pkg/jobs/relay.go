package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"

	"oprun.example/internal/failpoint"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// maxRelay is how many due runs one look takes.
const maxRelay = 500

// relayTurn is how long the runs that a look took are left to this relay. When it dies, or is slower, another publishes
// them under the same Nats-Msg-Id.
const relayTurn = 3 * time.Second

// every calls step now and then, and at once again while it says that there is more.
func (w *Worker) every(ctx context.Context, step func(context.Context) (more bool)) {
	w.everyOrWoken(ctx, nil, step)
}

// everyOrWoken is every that a wake-up cuts short.
func (w *Worker) everyOrWoken(ctx context.Context, woken <-chan struct{}, step func(context.Context) (more bool)) {
	ticker := time.NewTicker(w.config.Poll)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if step(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-woken:
		}
	}
}

// relayLoop publishes queued runs that are due: retries, runs left by dead workers, and runs that were born in the
// ledger. Every worker relays, each what no other has taken; the broker drops what two of them publish all the same.
func (w *Worker) relayLoop(ctx context.Context) {
	bell := make(chan struct{}, 1)                               // written by whoever rings, never closed; rings that come while one waits are that one
	ctx = trace.ContextWithSpanContext(ctx, trace.SpanContext{}) // what it publishes belongs to none of the worker's spans
	r := newRelay(w, bell)
	defer r.alarm.Stop()
	deafen := w.wakeUps(bell)
	defer deafen()
	w.everyOrWoken(ctx, bell, r.once)
	r.close()
}

// ring does not wait: a ring that waits to be heard is enough.
func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// relayGroup is the queue group of the relays: a wake-up is for one of them, the others find nothing new to do.
const relayGroup = "oprun-relay"

// wakeUps has the bell ring when there are runs to publish, until deafen. Without the subscription the relay looks now and
// then.
func (w *Worker) wakeUps(bell chan<- struct{}) (deafen func()) {
	subscription, err := w.js.Conn().QueueSubscribe(events.WakeSubject(w.config.Stream), relayGroup, func(*nats.Msg) { ring(bell) })
	if err != nil {
		w.log.Warn("relay hears no wake-ups", "error", err)
		return func() {}
	}
	return func() { _ = subscription.Unsubscribe() }
}

// relay is one worker's relay. It is for one goroutine.
type relay struct {
	*Worker
	publisher *events.Publisher
	alarm     *time.Timer // rings for what is to be recorded
	aloft     []flight    // published; the broker's word on them is awaited when the next runs are on their way
	landed    []landing   // in the stream, and not recorded
	failed    time.Time   // when a look last did
}

func newRelay(w *Worker, bell chan<- struct{}) *relay {
	alarm := time.AfterFunc(relayTurn, func() { ring(bell) })
	alarm.Stop() // there is nothing to record yet
	return &relay{Worker: w, alarm: alarm, publisher: events.NewPublisher(w.js, events.PublisherConfig{
		Subjects: w.config.Subjects, AckTimeout: relayTurn, Tries: 1, // the next look is the next try
	})}
}

func (r *relay) once(ctx context.Context) (more bool) {
	ask, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	look := time.Now()
	due, err := r.ledger.Due(ask, oprun.Relay{Limit: maxRelay, Turn: relayTurn, Types: r.config.Types, Stream: r.config.Stream})
	r.heard(err)
	due = r.released(due)
	if err == nil {
		err = r.send(ask, look, due)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.failed = time.Now()
		r.log.Warn("relay failed", "runs", len(due), "error", err)
	case time.Since(r.failed) > 2*relayTurn: // what was not taken is not due again before its turn is over
		r.metrics.relayed.SetToCurrentTime()
	}
	return err == nil && len(due) == maxRelay
}

// send publishes what can be published, all at once, and records what the broker took a while ago. What fails stays due,
// but for what no broker would ever take: that must not stand in the way of the others.
func (r *relay) send(ctx context.Context, look time.Time, due []oprun.DueRun) error {
	more := len(due) == maxRelay
	due, err := r.withoutWaiting(ctx, due)
	before := r.aloft
	errs := []error{err, r.launchAll(ctx, look, due), r.land(ctx, before)}
	if !more {
		errs = append(errs, r.land(ctx, r.aloft))
		r.aloft = nil
	}
	return errors.Join(append(errs, r.record(ctx, recordAfter))...)
}

func (r *relay) launchAll(ctx context.Context, look time.Time, due []oprun.DueRun) error {
	var errs []error
	r.aloft = make([]flight, 0, len(due))
	for _, run := range due {
		pending, err := r.launch(ctx, run)
		switch {
		case isRefusal(err):
			errs = append(errs, fmt.Errorf("run %s: %w", run.ID, err), r.end(ctx, run, oprun.DispatchFailed))
		case err != nil:
			errs = append(errs, err)
		case pending != nil:
			r.aloft = append(r.aloft, flight{run, pending, look})
		}
		if errors.Is(err, context.DeadlineExceeded) { // the broker is away, for the others as well
			break
		}
	}
	return errors.Join(errs...)
}

// launch publishes one run. Nothing and no error means that the run has ended as lost.
func (r *relay) launch(ctx context.Context, run oprun.DueRun) (*events.Pending, error) {
	if run.Input == nil {
		if err := r.recover(ctx, &run); err != nil || run.Input == nil {
			return nil, err
		}
	}
	if err := failpoint.Hit(failpoint.PublishBefore); err != nil {
		return nil, err
	}
	return r.publisher.PublishAsync(ctx, events.Request{
		Identity: dedupe.Identity{Scope: run.Scope, Type: run.Type}, Input: run.Input, RunID: run.ID,
		DispatchNo: run.DispatchNo, Initiator: run.Initiator, TraceParent: run.Trace.Parent, TraceState: run.Trace.State,
	})
}

func isRefusal(err error) bool {
	var refusal *events.Refusal
	return errors.As(err, &refusal)
}

// withoutWaiting leaves out runs whose last publication still waits in the stream, and puts off their next look: to
// publish them again would make a backlog grow by itself. A run whose message the consumer has passed, or the
// stream no longer has, is published anew.
func (r *relay) withoutWaiting(ctx context.Context, due []oprun.DueRun) ([]oprun.DueRun, error) {
	var published bool
	for _, run := range due {
		published = published || run.PublishedSeq > 0
	}
	if !published {
		return due, nil
	}
	ahead, err := r.ahead(ctx)
	if err != nil {
		return nil, err
	}
	var ready []oprun.DueRun
	var waiting []oprun.Publication
	for _, run := range due {
		if run.PublishedSeq > 0 && ahead(run) {
			waiting = append(waiting, oprun.Publication{RunID: run.ID, DispatchNo: run.DispatchNo})
		} else {
			ready = append(ready, run)
		}
	}
	if len(waiting) > 0 {
		err = r.ledger.Postpone(ctx, waiting, 2*r.ackWait)
	}
	return ready, err
}

// ahead tells of a published run whether the stream holds its message and the consumer has yet to deliver it. A stream
// that was made anew has other messages under the same numbers.
func (r *relay) ahead(ctx context.Context) (func(run oprun.DueRun) bool, error) {
	stream, err := r.js.Stream(ctx, r.config.Stream)
	if err != nil {
		return nil, err
	}
	consumer, err := stream.Consumer(ctx, r.config.Consumer)
	if err != nil {
		return nil, err
	}
	info, delivered := stream.CachedInfo(), consumer.CachedInfo().Delivered.Stream
	return func(run oprun.DueRun) bool {
		seq := run.PublishedSeq
		return seq > delivered && seq >= info.State.FirstSeq && seq <= info.State.LastSeq && run.PublishedAt.After(info.Created)
	}, nil
}

// recover reads a message-first run's payload back from the stream and keeps it in the row. No payload and no error
// means that there is nothing to publish now: the run has ended as lost, or somebody is at it.
func (r *relay) recover(ctx context.Context, run *oprun.DueRun) error {
	job, err := readOrigin(ctx, r.js, r.config.Subjects, origin{run.ID, run.Scope, run.Type, run.OriginStream, run.OriginSeq, run.OriginTime})
	if err == nil {
		kept, err := r.ledger.KeepInput(ctx, run.ID, job.Input, traceOf(&job))
		if kept {
			run.Input, run.Trace = job.Input, traceOf(&job)
		}
		return err
	}
	foreign := run.OriginStream != r.config.Stream
	if !foreign && !errors.Is(err, events.ErrNoMessage) {
		return err
	}
	spare, failed := r.ledger.TakeSpare(ctx, run.ID)
	if failed != nil || spare != nil {
		run.Input = spare
		return failed
	}
	if foreign { // it is for that one's relays to say that it is lost
		return errors.Join(err, r.ledger.Postpone(ctx, []oprun.Publication{{RunID: run.ID, DispatchNo: run.DispatchNo}}, 2*r.ackWait))
	}
	return r.end(ctx, *run, oprun.MessageLost)
}

// end ends a run that can never be published, unless it has moved on meanwhile.
func (r *relay) end(ctx context.Context, run oprun.DueRun, reason oprun.EndReason) error {
	ended, err := r.ledger.End(ctx, oprun.Ending{
		RunID: run.ID, Reason: reason, DispatchNo: &run.DispatchNo, WithoutInput: reason == oprun.MessageLost,
		Note: map[string]any{"by": "relay"},
	})
	r.reconciled(reason, ended)
	r.endedWithout("relay", ended)
	return err
}
