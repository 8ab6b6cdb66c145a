package jobs

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// shadowPlay is one run of a shadow.
type shadowPlay struct {
	*Shadow
	made   *oprun.Shadow
	worker uuid.UUID
	tally  ShadowTally
	latest map[[32]byte]span // by identity: the run that the ledger had for longest
}

// play makes something of a batch of records, in their order, and notes it.
func (p *shadowPlay) play(ctx context.Context, batch []events.Message) error {
	var items []*shadowItem
	for _, m := range batch {
		if i := p.item(m); i != nil {
			items = append(items, i)
		}
	}
	if len(items) == 0 {
		return ctx.Err()
	}
	p.tally.Records += len(items)
	fresh, known, err := p.look(ctx, items)
	if err != nil {
		return err
	}
	p.judge(fresh, known)
	if err := p.execute(ctx, groups(fresh)); err != nil {
		return err
	}
	notes := make([]oprun.ShadowNote, len(fresh))
	for n, i := range fresh {
		notes[n] = i.note
		p.count(i.note)
	}
	return p.made.Note(ctx, notes)
}

func (p *shadowPlay) count(note oprun.ShadowNote) {
	switch {
	case note.Verdict != dedupe.Execute:
		p.tally.Skipped++
	case note.LeftOut == oprun.ShadowRefused:
		p.tally.Refused++
	default:
		p.tally.Executed++
	}
}

// execute runs the groups, some at once, and each in its order. The first error ends it.
func (p *shadowPlay) execute(ctx context.Context, parts [][]*shadowItem) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var running sync.WaitGroup
	places := make(chan struct{}, p.config.Concurrency)
	for _, part := range parts {
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			for _, i := range part {
				if err := p.run(ctx, i); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

// run brings a run to its end: all its attempts, at once. What stood between them in time, in a shadow does not.
func (p *shadowPlay) run(ctx context.Context, i *shadowItem) error {
	q := i.question
	q.Cools, q.Follows = false, false // judged already, by the ledger's own time
	q.Lease = i.spec.job.Timeout + time.Hour
	who := oprun.Claimer{Worker: p.worker, Stream: i.message.Stream, AckWait: time.Minute}
	for asked := time.Now(); ctx.Err() == nil; {
		answer, err := p.made.Claim(ctx, who, q)
		if err != nil {
			return err
		}
		if answer.Verdict == dedupe.Busy && time.Since(asked) < busyPatience { // it met a lock: on a busy database Postgres' own, of the table
			pauseFor(ctx, busyPause)
			continue
		}
		if answer.Verdict != dedupe.Execute {
			return i.unlucky(answer)
		}
		again, err := p.attempt(ctx, i, q, answer)
		if err != nil || !again {
			return err
		}
		q.Named, q.Token, asked = true, uuid.New(), time.Now()
	}
	return context.Cause(ctx)
}

// How often a claim that is busy is sent again, and for how long.
const (
	busyPause    = 50 * time.Millisecond
	busyPatience = 30 * time.Second
)

// pauseFor returns after a while, or when the context ends.
func pauseFor(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// unlucky notes that a claim was answered with another verdict.
func (i *shadowItem) unlucky(answer oprun.Answer) error {
	switch answer.Verdict {
	case dedupe.Duplicate: // it runs once
		i.note.Verdict, i.note.Owner = answer.Verdict, answer.RunID
	case dedupe.Rejected:
		i.rejected(answer.Reason, rejection(answer.Reason, &i.delivery))
	default:
		return fmt.Errorf("run %s is %s in the shadow: is somebody else at it?", i.note.RunID, answer.Verdict)
	}
	return nil
}

// attempt runs the handler once, ends the run or hands it back, and reports whether it is to be tried again.
func (p *shadowPlay) attempt(ctx context.Context, i *shadowItem, q oprun.Delivery, answer oprun.Answer) (again bool, err error) {
	hold := oprun.Hold{RunID: answer.RunID, Token: q.Token, Attempt: answer.Attempt, Lease: q.Lease}
	if why := i.unfit(); why != "" {
		return false, p.leaveOut(ctx, i, hold, oprun.ShadowRefused, why)
	}
	a := &attempt{delivery: &i.delivery, hold: hold, number: answer.Attempt}
	a.work = &Work{
		RunID: answer.RunID, Type: i.job.Type, Scope: i.job.Scope, Attempt: answer.Attempt, MaxAttempts: answer.MaxAttempts,
		Initiator: i.job.Initiator, Input: i.job.Input, TraceParent: i.job.TraceParent, TraceState: i.job.TraceState,
		ledger: p.made, attempt: a, log: p.config.Logger,
	}
	var refused atomic.Bool
	p.call(context.WithValue(ctx, shadowKey{}, &refused), a)
	switch ended := a.work.end(); {
	case refused.Load() && ended != "":
		i.note.LeftOut, i.note.Detail = oprun.ShadowRefused, ErrShadow.Error()
		return false, nil
	case refused.Load():
		return false, p.leaveOut(ctx, i, hold, oprun.ShadowRefused, ErrShadow.Error())
	case ended != "":
		return false, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case a.end.giveBack:
		return false, p.leaveOut(ctx, i, hold, oprun.ShadowSnoozed, a.end.text)
	case a.end.outcome != oprun.Pending:
		return false, p.made.Finish(ctx, a.work.result(a.end))
	}
	a.end.delay = 0
	outcome, err := p.made.Requeue(ctx, a.requeue())
	return outcome == oprun.Pending, err
}

// unfit is why a shadow does not run a type, or "".
func (i *shadowItem) unfit() string {
	switch {
	case i.spec.builtin:
		return "the type is built in: it works on the ledger itself"
	case i.spec.handler == nil:
		return "the type has no handler in this program: what http and exec handlers do cannot be taken back"
	default:
		return ""
	}
}

// leaveOut ends a run whose outcome says nothing.
func (p *shadowPlay) leaveOut(ctx context.Context, i *shadowItem, hold oprun.Hold, why oprun.LeftOut, detail string) error {
	i.note.LeftOut, i.note.Detail = why, detail
	return p.made.Finish(ctx, oprun.Result{
		Hold: hold, Outcome: oprun.Failed, Ended: oprun.AttemptFailed, Error: detail,
		Failures: []oprun.Failure{{Code: "shadow." + string(why), Message: detail, Count: 1}},
	})
}

// call runs the handler with all that an attempt has around it. Queued statements are carried out at its end, in a
// transaction of the job's own.
func (p *shadowPlay) call(ctx context.Context, a *attempt) {
	over := make(chan struct{})
	go func() { // a goroutine that the handler may end
		defer close(over)
		handling := a.context(ctx)
		defer handling.release()
		if limit := a.spec.handler.slots; limit != nil {
			limit <- struct{}{}
			defer func() { <-limit }()
		}
		handling.startTimer(a.spec.job.Timeout)
		err := errGoexit
		defer func() { a.end = a.conclude(err, context.Cause(handling)) }()
		err = call(handling, a.spec.handler, a.work)
		if left := a.work.leaves(); left && err == nil {
			err = a.work.Commit(handling, func(pgx.Tx) error { return nil })
		}
	}()
	<-over
}
