package jobs

import (
	"context"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// finishLoop hands in the results of attempts, in batches, until their channel is closed; only what the ledger
// has taken is acknowledged (I10).
func (w *Worker) finishLoop() {
	batch := make([]*attempt, 0, maxBatch)
	for first := range w.done {
		batch = gather(batch[:0], first, w.done)
		w.handIn(batch)
	}
}

// handIn sorts a batch by what is to be done with it.
func (w *Worker) handIn(batch []*attempt) {
	var ended, parked, refused []*attempt
	for _, a := range batch {
		switch {
		case a.work.end() != "":
			w.ended(a, a.work.end())
		case a.fenced.Load():
			refused = append(refused, a)
		case a.end.outcome == oprun.Pending:
			parked = append(parked, a)
		default:
			ended = append(ended, a)
		}
	}
	refused = append(refused, w.finish(ended)...)
	refused = append(refused, w.park(parked)...)
	w.refused(refused)
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
		if !oprun.Unavailable(err) || phase.Err() != nil {
			return tries, err
		}
		w.log.Warn("ledger unavailable", "op", op, "error", err)
		wait.sleep(phase)
	}
}

// finish ends runs, and returns the attempts that were refused.
func (w *Worker) finish(ended []*attempt) (refused []*attempt) {
	if len(ended) == 0 {
		return nil
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
		return w.notTaken(ended, err, w.finish)
	}
	for i, a := range ended {
		if taken[a.hold.RunID] {
			w.ended(a, results[i].Outcome)
		} else {
			refused = append(refused, a)
		}
	}
	return refused
}

// park queues runs to be tried again, and returns the attempts that were refused. Their messages are done with: the
// ledger has the input, and the relay publishes the run when it is due.
func (w *Worker) park(parked []*attempt) (refused []*attempt) {
	if len(parked) == 0 {
		return nil
	}
	requeues := make([]oprun.Requeue, len(parked))
	for i, a := range parked {
		requeues[i] = a.requeue()
	}
	var stands map[uuid.UUID]oprun.Outcome
	tries, err := w.ask(w.lifetime, "requeue", len(requeues), func(ctx context.Context) (err error) {
		stands, err = w.ledger.Requeue(ctx, requeues)
		return err
	})
	if err != nil {
		return w.notTaken(parked, err, w.park)
	}
	for _, a := range parked {
		switch outcome, ok := stands[a.hold.RunID]; {
		case ok && outcome == oprun.Pending:
			w.parked(a)
		case ok:
			w.ended(a, outcome)
		case tries > 1: // parked by an earlier try, or fenced: either way the next delivery has its answer
			w.hands.remove(a.delivery)
		default:
			refused = append(refused, a)
		}
	}
	return refused
}

func (a *attempt) requeue() oprun.Requeue {
	r := a.work.result(a.end)
	return oprun.Requeue{
		Hold: a.hold, Delay: a.end.delay, GiveBack: a.end.giveBack, Input: a.work.Input,
		Ended: a.end.ended, Error: a.end.text, Failures: r.Failures,
	}
}

// notTaken parts a batch that the ledger refuses, so that one bad result does not take its neighbours down.
func (w *Worker) notTaken(these []*attempt, err error, again func([]*attempt) []*attempt) (refused []*attempt) {
	if len(these) > 1 && !oprun.Unavailable(err) {
		half := len(these) / 2
		return append(again(these[:half]), again(these[half:])...)
	}
	w.leave(these, err)
	return nil
}
