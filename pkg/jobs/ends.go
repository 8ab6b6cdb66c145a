package jobs

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"

	"oprun.example/pkg/oprun"
)

// ended counts, logs and acknowledges a run that the ledger has as completed.
func (w *Worker) ended(a *attempt, outcome oprun.Outcome) {
	a.acknowledge()
	w.hands.remove(a.delivery)
	took := time.Since(a.began)
	m := a.spec.metrics
	m.runs[outcome].Inc()
	m.durations[outcome].observe(took, a.traceParent())
	m.countsDropped(a.work.dropped)
	result := a.end.ended
	if outcome == oprun.Succeeded || outcome == oprun.PartiallySucceeded {
		result = oprun.AttemptSucceeded // whatever the handler made of a commit that it had no answer to
	}
	if result != "" { // else it was given back: as good as never begun
		m.attempts[result].Inc()
	}
	w.logEnd(a, outcome, took)
	w.announcer.tell(topic{outcome, a.work.Scope, a.work.Type}, func() (Ended, nats.Header) {
		return w.endedOf(a, outcome), a.work.traceHeader()
	})
	a.endSpan(outcome, result)
}

// logEnd writes the one line of a run's end. The common case is for those who ask for it.
func (w *Worker) logEnd(a *attempt, outcome oprun.Outcome, took time.Duration) {
	level := slog.LevelInfo
	if outcome == oprun.Succeeded {
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if w.log.Enabled(ctx, level) {
		w.log.Log(ctx, level, "run ended", "run", a.work, "outcome", string(outcome), "took_seconds", took.Seconds())
	}
}

func (w *Worker) parked(a *attempt) {
	a.acknowledge()
	w.hands.remove(a.delivery)
	m := a.spec.metrics
	if a.end.ended != "" {
		m.attempts[a.end.ended].Inc()
	}
	if !a.end.giveBack {
		m.retries.Inc()
	}
	w.log.Info("run queued again", "run", a.work, "result", string(a.end.ended), "delay_seconds", a.end.delay.Seconds())
	a.endSpan(oprun.Pending, a.end.ended)
}

// refused deals with attempts whose result the ledger did not take. One whose commit had no answer may have ended its
// run after all. The others were fenced: they are recorded as that, and their messages are not acknowledged, for the
// next delivery is answered by the run as it now stands. Those that cannot be told yet, since a transaction has one of
// their runs locked, are returned.
func (w *Worker) refused(these []*attempt) (locked []*attempt) {
	if len(these) == 0 {
		return nil
	}
	holds := holdsOf(these)
	var confirmed map[uuid.UUID]oprun.Outcome
	_, err := w.ask(w.lifetime, "confirm", len(holds), func(ctx context.Context) (err error) {
		confirmed, err = w.ledger.Confirm(ctx, holds)
		if oprun.Locked(err) {
			locked, err = these, nil
		}
		return err
	})
	switch {
	case err != nil:
		w.leave(these, err)
		return nil
	case locked != nil:
		return locked
	}
	late := holds[:0]
	for _, a := range these {
		if outcome, ours := confirmed[a.hold.RunID]; ours {
			w.ended(a, outcome)
			continue
		}
		late = append(late, a.hold)
		w.hands.remove(a.delivery)
		a.spec.metrics.attempts[oprun.AttemptFenced].Inc()
		w.log.Warn("attempt fenced", "run", a.work)
		a.endSpan("", oprun.AttemptFenced)
	}
	w.recordFenced(late)
	return nil
}

func (w *Worker) recordFenced(late []oprun.Hold) {
	if len(late) == 0 {
		return
	}
	_, err := w.ask(w.lifetime, "fence", len(late), func(ctx context.Context) error {
		return w.ledger.Fence(ctx, w.config.Worker, late)
	})
	if err != nil {
		w.log.Error("fenced attempts not recorded", "attempts", len(late), "error", err)
	}
}

// leave lets go of attempts whose result the ledger does not take or never answered for: the lease will tell.
func (w *Worker) leave(these []*attempt, err error) {
	for _, a := range these {
		w.log.Error("result not taken", "run", a.work, "error", err)
		a.endSpan("", a.end.ended)
		w.hands.remove(a.delivery)
	}
}
