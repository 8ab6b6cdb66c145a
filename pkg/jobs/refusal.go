package jobs

import (
	"context"
	"errors"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// refusal is a delivery that can never run, and why.
type refusal struct {
	*delivery
	reason dedupe.Reason
	detail string
}

func refusalOf(d *delivery, err error) refusal {
	reason, detail := reasonOf(err)
	return refusal{d, reason, detail}
}

func reasonOf(err error) (reason dedupe.Reason, detail string) {
	var refused *events.Refusal
	var input *dedupe.InputError
	switch {
	case errors.As(err, &refused):
		return refused.Reason, refused.Detail
	case errors.As(err, &input) && input.Missing:
		return dedupe.IdentityInputMissing, err.Error()
	case errors.As(err, &input):
		return dedupe.IdentityInputInexact, err.Error()
	default:
		return dedupe.Malformed, err.Error()
	}
}

// rejection says why the ledger takes a delivery for one that can never run.
func rejection(reason dedupe.Reason, d *delivery) string {
	if reason == dedupe.OlderThanRetention {
		return "the ledger may have forgotten this request: it keeps none that is so old"
	}
	return "the ledger has no " + d.job.Scope.String()
}

// judged tells the reasons that the ledger finds: they were counted by their verdict.
func judged(reason dedupe.Reason) bool {
	return reason == dedupe.ScopeUnknown || reason == dedupe.RunUnknown || reason == dedupe.OlderThanRetention
}

// bury writes dead letters, and only then takes their messages from the stream's consumer. Without a ledger the
// messages are left to be delivered again.
func (w *Worker) bury(refused []refusal) {
	if len(refused) == 0 {
		return
	}
	letters := make([]oprun.DeadLetter, len(refused))
	for i, r := range refused {
		letters[i] = r.letter(r.reason.String(), r.detail)
	}
	_, err := w.ask(w.stopping, "bury", len(letters), func(ctx context.Context) error { return w.ledger.Bury(ctx, letters) })
	if err != nil {
		w.log.Error("dead letters not written", "messages", len(letters), "error", err)
	}
	for _, r := range refused {
		if err == nil {
			w.buried(r.delivery)
			r.term()
			w.metrics.deadLetters[r.reason].Inc()
			if !judged(r.reason) {
				r.spec.metrics.deliveries[dedupe.Rejected].Inc()
			}
			w.log.Warn("message rejected", "reason", r.reason.String(), "detail", r.detail, "stream", r.message.Stream, "seq", r.message.Seq)
		}
		w.drop(r.delivery)
	}
}
