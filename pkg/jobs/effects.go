package jobs

import (
	"context"
	"sync"

	"oprun.example/internal/rig"
	"oprun.example/pkg/oprun"
)

// maxGroupStatements is how many statements one group takes, beside maxBatch jobs.
const maxGroupStatements = 4096

// minSingles is how many blocked jobs may wait, at least, before groups wait for them. They have given back their slots, so
// something has to bound them; a worker that runs one job at a time is not to stand still for one.
const minSingles = 64

// effectsLoop carries out the queued statements of attempts, and ends their runs with them, group by group: what came
// while a group was in flight is the next one. It has a lane of its own, since plain results must not wait for users'
// statements. Whatever becomes of an attempt, it goes on to the finishers.
func (w *Worker) effectsLoop() {
	var singles sync.WaitGroup
	defer singles.Wait()
	places := make(chan struct{}, max(w.config.Concurrency, minSingles))
	var left []*attempt
	for open := true; open || len(left) > 0; {
		batch := left
		if len(batch) == 0 {
			first, more := <-w.effects
			if !more {
				return
			}
			batch = append(batch, first)
		}
		batch, open = gatherEffects(batch, w.effects)
		batch, again := eachRunOnce(batch)
		var blocked []*attempt
		left, blocked = w.carryOut(batch)
		left = append(left, again...)
		for _, a := range blocked {
			places <- struct{}{}
			singles.Go(func() {
				defer func() { <-places }()
				w.carryOutAlone(a)
			})
		}
	}
}

// gatherEffects adds what is waiting, as gather does, within the limits of a group. It reports whether more may come.
func gatherEffects(batch []*attempt, from <-chan *attempt) (group []*attempt, open bool) {
	statements := 0
	for _, a := range batch {
		statements += len(a.work.queued)
	}
	for len(batch) < maxBatch && statements < maxGroupStatements {
		select {
		case next, more := <-from:
			if !more {
				return batch, false
			}
			batch = append(batch, next)
			statements += len(next.work.queued)
		default:
			return batch, true
		}
	}
	return batch, true
}

// carryOut hands a group to the ledger, and passes on those of which it knows what became. Left are those for which
// there was no time, and blocked those that are to go by themselves.
func (w *Worker) carryOut(batch []*attempt) (left, blocked []*attempt) {
	if batch = w.past(rig.BeforeCommit, batch); len(batch) == 0 {
		return nil, nil
	}
	var group []oprun.Queued
	var settled []oprun.Settled
	again, broken, locked := false, 0, 0
	span := w.tracing.group(batch)
	_, err := w.ask(w.settling, "effects", len(batch), func(ctx context.Context) (err error) {
		ctx = inSpan(ctx, span)
		if again { // the last try may have been carried out: only what was not is sent once more
			switch batch, err = w.notEnded(ctx, batch); {
			case oprun.Locked(err) && locked < lockedTries: // a session of which Postgres does not know yet that it is dead
				locked++
				return err
			case oprun.Locked(err), err == nil && broken == groupTries:
				return nil // one by one, behind whatever is at their runs
			case err != nil:
				return err
			}
		}
		group = queuedOf(batch)
		settled, err = w.ledger.FinishQueued(ctx, group)
		again = again || !oprun.Unsent(err)
		if oprun.Broke(err) {
			broken++
		}
		return err
	})
	endGroup(span, err)
	switch {
	case err != nil:
		w.leave(batch, err)
		return nil, nil
	case settled == nil:
		return nil, batch
	default:
		return w.settle(batch, group, settled)
	}
}

// How often a connection may break under the same statements before they are taken for the cause: those of a group, which
// then go one by one, and those of one job, which then has failed.
const (
	groupTries = 2
	aloneTries = 5
)

// lockedTries is how often it is asked what became of a group whose runs are still locked, with pauses of together eleven
// seconds: longer than Postgres keeps a group's transaction that says no more (group_limits.sql).
const lockedTries = 10

// settle passes on the attempts of a group.
func (w *Worker) settle(batch []*attempt, group []oprun.Queued, settled []oprun.Settled) (left, blocked []*attempt) {
	for i, a := range batch {
		switch settled[i].Fate {
		case oprun.Landed:
			w.landed(a, group[i].Outcome)
		case oprun.Fenced:
			a.fenced.Store(true)
			w.done <- a
		case oprun.Refused:
			w.failed(a, settled[i].Err, nil)
		case oprun.Later:
			left = append(left, a)
		case oprun.Alone:
			blocked = append(blocked, a)
		}
	}
	return left, blocked
}

// queuedOf is what the ledger is asked for. While it works on them, the fence tells whether a lease was lost.
func queuedOf(batch []*attempt) []oprun.Queued {
	group := make([]oprun.Queued, len(batch))
	for i, a := range batch {
		a.ending.Store(true)
		group[i] = a.queued()
	}
	return group
}

func (a *attempt) queued() oprun.Queued {
	return oprun.Queued{Result: a.work.result(a.end), Statements: a.work.queued}
}

// notEnded passes on the attempts that have ended their runs after all, and returns the others.
func (w *Worker) notEnded(ctx context.Context, batch []*attempt) ([]*attempt, error) {
	ended, err := w.ledger.Confirm(ctx, holdsOf(batch))
	if err != nil {
		return batch, err
	}
	var rest []*attempt
	for _, a := range batch {
		if outcome, ours := ended[a.hold.RunID]; ours {
			w.landed(a, outcome)
			continue
		}
		rest = append(rest, a)
	}
	return rest, nil
}

// landed passes on an attempt whose effects and end are committed.
func (w *Worker) landed(a *attempt, outcome oprun.Outcome) {
	a.work.land(outcome)
	w.done <- a
}

// failed passes on an attempt as if its handler had returned this error: nothing of it was done.
func (w *Worker) failed(a *attempt, err, cause error) {
	a.ending.Store(false)
	a.noteFence(err)
	a.end = a.conclude(err, cause)
	w.done <- a
}

// carryOutAlone gives an attempt a transaction of its own, which may wait: for the type's timeout, and no longer than a
// handler may when the worker stops, the lease is lost, or cancellation is asked for. Its time begins with its turn: others
// that are blocked cost it none.
func (w *Worker) carryOutAlone(a *attempt) {
	a.ending.Store(false)
	ctx := a.context(a.traced(w.handling))
	defer ctx.release()
	leave, err := w.ledger.TurnAlone(ctx)
	if err != nil {
		w.failed(a, err, context.Cause(ctx))
		return
	}
	defer leave()
	ctx.startTimer(a.spec.job.Timeout)
	q := a.queued()
	done := w.metrics.ledger("effects_alone", 1)
	err = w.untilAnswered(ctx, a, q)
	done()
	if err != nil {
		w.failed(a, err, context.Cause(ctx))
		return
	}
	w.landed(a, q.Outcome)
}

// untilAnswered sends the statements of one job until it is known what became of them, or its time is over; then the
// finishers find out.
func (w *Worker) untilAnswered(ctx context.Context, a *attempt, q oprun.Queued) error {
	broken := 0
	for wait := newPause(); ; wait.sleep(ctx) {
		err := w.ledger.FinishAlone(ctx, q, func() { a.ending.Store(true) }) // then the fence tells, as at Commit
		if !oprun.Unavailable(err) {
			return err
		}
		if oprun.Broke(err) {
			broken++
		}
		if !oprun.Unsent(err) {
			err = a.work.settle(ctx, a.hold, err)
		}
		if err == nil || ctx.Err() != nil || broken == aloneTries {
			return err
		}
		a.ending.Store(false)
	}
}

// over passes an attempt on when its handler has returned.
func (w *Worker) over(a *attempt) {
	if a.work.leaves() && a.end.outcome == oprun.Succeeded {
		w.effects <- a
		return
	}
	w.done <- a
}
