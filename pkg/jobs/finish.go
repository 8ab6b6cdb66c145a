package jobs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/failpoint"
	"oprun.example/internal/rig"
	"oprun.example/pkg/oprun"
)

// finishLoop hands in batches of results until their channel is closed; only what the ledger has taken is acknowledged
// (I10). A result whose run somebody has locked is kept, and handed in again now and then.
func (w *Worker) finishLoop() {
	again := time.NewTicker(lockedPause)
	defer again.Stop()
	var locked []*attempt
	for open := true; open; {
		select {
		case batch, more := <-w.results:
			if open = more; more {
				locked = append(locked, w.handIn(batch)...)
			}
		case <-again.C:
			locked = w.handIn(locked)
		}
	}
	for len(locked) > 0 && w.lifetime.Err() == nil {
		(&pause{lockedPause}).sleep(w.lifetime)
		locked = w.handIn(locked)
	}
	w.leave(locked, errLocked)
}

// lockedPause is when a result is handed in again whose run a transaction has locked.
const lockedPause = time.Second

var errLocked = errors.New("a transaction has the run locked")

// rest is what the ledger did not take of a batch.
type rest struct {
	refused []*attempt // they no longer own their runs
	locked  []*attempt // a transaction has their runs locked, or the batch had another attempt of theirs
}

// handIn sorts a batch by what is to be done with it, and returns the attempts whose runs are locked.
func (w *Worker) handIn(batch []*attempt) (locked []*attempt) {
	var ended, parked []*attempt
	var left rest
	batch, left.locked = eachRunOnce(batch)
	for _, a := range batch {
		switch {
		case a.work.end() != "":
			w.ended(a, a.work.end())
		case a.fenced.Load():
			left.refused = append(left.refused, a)
		case a.end.outcome == oprun.Pending:
			parked = append(parked, a)
		default:
			ended = append(ended, a)
		}
	}
	w.finish(w.past(rig.BeforeCommit, ended), &left)
	w.park(w.past(rig.BeforeCommit, parked), &left)
	return append(left.locked, w.refused(left.refused)...)
}

// eachRunOnce parts a batch so that no run is in it twice: the ledger answers by run. Again are those whose turn is later.
// A process can have two attempts of a run in hand, when it, or the ledger, was away for longer than a lease.
func eachRunOnce(batch []*attempt) (each, again []*attempt) {
	if !slices.ContainsFunc(batch, func(a *attempt) bool { return a.number > 1 }) {
		return batch, nil
	}
	seen := make(map[uuid.UUID]bool, len(batch))
	for _, a := range batch {
		if seen[a.hold.RunID] {
			again = append(again, a)
			continue
		}
		seen[a.hold.RunID] = true
		each = append(each, a)
	}
	return each, again
}

// ledgerPatience is how long one statement may take before it is sent again on another connection.
const ledgerPatience = 10 * time.Second

// ask sends a statement until the ledger answers it, or the phase in which it may wait has ended. After more than one
// try an earlier one may have been carried out, too.
func (w *Worker) ask(phase context.Context, op string, rows int, send func(ctx context.Context) error) (tries int, err error) {
	done := w.metrics.ledger(op, rows)
	defer done()
	wait := newPause()
	for tries = 1; ; tries++ {
		ctx, cancel := context.WithTimeout(w.lifetime, ledgerPatience)
		err = send(ctx)
		cancel()
		w.heard(err)
		if !oprun.Unavailable(err) || phase.Err() != nil {
			return tries, err
		}
		w.log.Warn("ledger unavailable", "op", op, "error", err)
		wait.sleep(phase)
	}
}

// heard notes from what became of a statement whether the ledger answers. While it does not, the worker pulls no more.
func (w *Worker) heard(err error) { w.away.Store(oprun.Unavailable(err) && !oprun.Locked(err)) }

// finish ends runs.
func (w *Worker) finish(ended []*attempt, left *rest) {
	if len(ended) == 0 {
		return
	}
	results := make([]oprun.Result, len(ended))
	for i, a := range ended {
		results[i] = a.work.result(a.end)
	}
	var taken map[uuid.UUID]bool
	_, err := w.ask(w.lifetime, "finish", len(results), func(ctx context.Context) (err error) {
		taken, err = w.ledger.Finish(ctx, results)
		return err
	})
	if err != nil {
		w.notTaken(ended, err, left, w.finish)
		return
	}
	for i, a := range ended {
		switch done, ok := taken[a.hold.RunID]; {
		case done:
			w.ended(a, results[i].Outcome)
		case ok:
			left.locked = append(left.locked, a)
		default:
			left.refused = append(left.refused, a)
		}
	}
}

// park queues runs to be tried again. Their messages are done with: the ledger has the input, and the relay publishes
// the run when it is due.
func (w *Worker) park(parked []*attempt, left *rest) {
	if len(parked) == 0 {
		return
	}
	requeues := make([]oprun.Requeue, len(parked))
	for i, a := range parked {
		requeues[i] = a.requeue()
	}
	var stands map[uuid.UUID]oprun.Outcome
	tries, err := w.ask(w.lifetime, "requeue", len(requeues), func(ctx context.Context) (err error) {
		if stands, err = w.ledger.Requeue(ctx, requeues); err != nil {
			return err
		}
		return failpoint.Hit(failpoint.ParkAfter)
	})
	if err != nil {
		w.notTaken(parked, err, left, w.park)
		return
	}
	for _, a := range parked {
		switch outcome, ok := stands[a.hold.RunID]; {
		case ok && outcome == oprun.Pending:
			w.parked(a)
		case ok && outcome == "":
			left.locked = append(left.locked, a)
		case ok:
			a.work.endParked(outcome)
			w.ended(a, outcome)
		case tries > 1 && a.end.ended == "": // given back by an earlier try, or fenced: the next delivery has the answer
			w.hands.remove(a.delivery)
			a.endSpan(oprun.Pending, "")
		default:
			left.refused = append(left.refused, a)
		}
	}
}

func (a *attempt) requeue() oprun.Requeue {
	r := a.work.result(a.end)
	return oprun.Requeue{
		Hold: a.hold, Delay: a.end.delay, GiveBack: a.end.giveBack, Input: a.work.Input,
		Ended: a.end.ended, Error: a.end.text, Failures: r.Failures, Cause: a.end.cause,
		Trace: a.origin(),
	}
}

// notTaken parts a batch that the ledger refuses, so that one bad result does not take its neighbours down.
func (w *Worker) notTaken(these []*attempt, err error, left *rest, again func([]*attempt, *rest)) {
	if len(these) > 1 && !oprun.Unavailable(err) {
		half := len(these) / 2
		again(these[:half], left)
		again(these[half:], left)
		return
	}
	w.leave(these, err)
}
