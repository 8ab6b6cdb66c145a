package jobs

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/google/uuid"

	"oprun.example/internal/failpoint"
	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// maxBatch is how many deliveries or results one statement takes: more gains nothing, and holds locks for longer.
const maxBatch = 512

// unknownRunFor is how long a message may name a run that the ledger does not have: its producer may have published
// before its commit.
const unknownRunFor = time.Hour

// claimFailedDelay is when messages that the ledger could not judge are delivered again.
const claimFailedDelay = 5 * time.Second

// gather returns first and what else is waiting, without waiting for more: what arrived while the last statement
// was in flight is the next batch.
func gather[T any](batch []T, first T, from <-chan T) []T {
	batch = append(batch, first)
	for len(batch) < maxBatch {
		select {
		case next, open := <-from:
			if !open {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// claimLoop judges arrivals until their channel is closed. Several may run: while one waits for the ledger, the
// next gathers.
func (w *Worker) claimLoop() {
	lane := claimLane{Worker: w}
	batch := make([]*delivery, 0, maxBatch)
	for first := range w.arrivals {
		batch = gather(batch[:0], first, w.arrivals)
		if w.stopping.Err() != nil {
			w.handBack(batch, 0)
			continue
		}
		lane.judge(batch)
	}
}

// claimLane is what one claim loop keeps from batch to batch.
type claimLane struct {
	*Worker
	asked     []*delivery      // what the ledger is asked about
	questions []oprun.Delivery // in the same order
}

// handBack gives unclaimed messages to whoever pulls next.
func (w *Worker) handBack(batch []*delivery, after time.Duration) {
	for _, d := range batch {
		d.nak(after)
		w.drop(d)
	}
}

// drop lets go of a message that does not run here.
func (w *Worker) drop(d *delivery) {
	w.hands.remove(d)
	w.slots.give(1)
}

// judge decodes a batch, claims what can run and does what the verdicts say.
func (l *claimLane) judge(batch []*delivery) {
	l.bury(l.read(batch))
	if len(l.asked) == 0 {
		return
	}
	if failpoint.Off(failpoint.AckAfterCommit) {
		for _, d := range l.asked {
			d.ack()
		}
	}
	answers, sent, err := l.claim(l.questions)
	if err != nil {
		l.log.Error("claim failed", "deliveries", len(l.asked), "error", err)
		l.handBack(l.asked, claimFailedDelay)
		return
	}
	var rejected []refusal
	for i, d := range l.asked {
		if r := l.follow(d, answers[i], sent); r != nil {
			rejected = append(rejected, *r)
		}
	}
	l.bury(rejected)
	l.endedWithout("claim", endedByClaim(l.asked, answers))
}

// read decodes the deliveries, and makes a question for the ledger of each that is not refused.
func (l *claimLane) read(batch []*delivery) (refused []refusal) {
	clear(l.asked) // the last batch's may be forgotten
	clear(l.questions)
	l.asked, l.questions = l.asked[:0], l.questions[:0]
	tokens := newTokens(len(batch))
	for i, d := range batch {
		d.spec, d.token = l.unknown, tokens[i]
		question, err := l.question(d)
		if err != nil {
			refused = append(refused, refusalOf(d, err))
			continue
		}
		l.asked, l.questions = append(l.asked, d), append(l.questions, question)
	}
	return refused
}

// question decodes one delivery. Its error is a refusal.
func (w *Worker) question(d *delivery) (q oprun.Delivery, err error) {
	err = d.read(w.codec)
	if spec := w.specs[d.job.Type]; spec != nil {
		d.spec = spec
	}
	if err != nil {
		return q, err
	}
	return d.question(d.spec != w.unknown)
}

// question is what the ledger is asked about a message that was read. Its error is a refusal.
func (d *delivery) question(declared bool) (q oprun.Delivery, err error) {
	if !declared {
		return q, &events.Refusal{Reason: dedupe.TypeUnknown, Detail: "the catalogue declares no job type " + d.job.Type}
	}
	if kind := d.spec.job.ScopeKind; kind != d.job.Scope.Kind {
		return q, &events.Refusal{Reason: dedupe.TypeUnknown, Detail: d.job.Type + " is declared for scope " + kind.String()}
	}
	q = oprun.Delivery{
		RunID: d.job.RunID, Named: true, Token: d.token, Lease: d.spec.job.Lease, MaxAttempts: d.spec.job.Retry.MaxAttempts,
		Seq: d.message.Seq, StoredAt: d.message.StoredAt, Initiator: d.job.Initiator,
		Identity: dedupe.Identity{Scope: d.job.Scope, Type: d.job.Type}, Input: d.job.Input, Trace: traceOf(&d.job),
		Once: d.spec.job.IdentityMode == dedupe.OnceMode, Cools: d.spec.job.Cooldown > 0, Follows: d.spec.follows(),
	}
	if from := d.job.ReplayedFrom; from.Seq != 0 {
		q.ReplayedFrom = from.String()
	}
	if d.job.RunID != uuid.Nil {
		return q, nil // the row decides: its identity stands
	}
	q.Named = false
	q.RunID = d.job.Occurrence.RunID(d.job.Scope, d.job.Type)
	if q.Identity, err = d.spec.rule.Identify(d.job.Scope, d.job.Type, d.job.Input, d.job.Occurrence); err != nil {
		return q, err
	}
	if err := d.spec.job.ValidateInput(d.job.Input); err != nil {
		return q, &events.Refusal{Reason: dedupe.SchemaViolated, Detail: err.Error()}
	}
	return q, nil
}

// newTokens returns n random claim tokens from one read.
func newTokens(n int) []uuid.UUID {
	tokens := make([]uuid.UUID, n)
	raw := make([]byte, 16*n)
	_, _ = rand.Read(raw) // never fails: crypto/rand ends the process instead
	for i := range tokens {
		copy(tokens[i][:], raw[16*i:])
		tokens[i][6] = tokens[i][6]&0x0f | 0x40
		tokens[i][8] = tokens[i][8]&0x3f | 0x80
	}
	return tokens
}

// claim asks the ledger until it answers, or the worker stops. While it does not answer, nothing is acknowledged and
// nothing pulled: the slots stay taken. The claim is idempotent by its tokens. Leases count from before it was sent,
// for the last time: an earlier try that was carried out is prolonged by the last.
func (w *Worker) claim(questions []oprun.Delivery) (answers []oprun.Answer, sent time.Time, err error) {
	_, err = w.ask(w.stopping, "claim", len(questions), func(ctx context.Context) error {
		if err := failpoint.Hit(failpoint.ClaimBefore); err != nil {
			return err
		}
		sent = time.Now()
		if answers, err = w.ledger.Claim(ctx, w.claimer, questions); err != nil {
			return err
		}
		return failpoint.Hit(failpoint.ClaimAfter)
	})
	return answers, sent, err
}

// follow does what the verdict says. Its answer is a delivery to bury, or nil.
func (w *Worker) follow(d *delivery, answer oprun.Answer, sent time.Time) *refusal {
	verdict := answer.Verdict
	w.judged(d, answer.RunID, verdict)
	d.spec.metrics.deliveries[verdict].Inc()
	if answer.TookOver {
		d.spec.metrics.attempts[oprun.AttemptAbandoned].Inc()
	}
	switch verdict {
	case dedupe.Execute:
		w.start(d, answer, sent)
		return nil
	case dedupe.Rejected:
		return &refusal{d, answer.Reason, rejection(answer.Reason, d)}
	case dedupe.UnknownRun:
		if time.Since(d.message.StoredAt) > unknownRunFor {
			return &refusal{d, dedupe.RunUnknown, "the ledger has no such run in this scope"}
		}
		d.nak(unknownRunDelay(d.delivered))
	case dedupe.Busy:
		d.nak(answer.RetryIn)
	case dedupe.Exhausted, dedupe.Cancelled:
		d.spec.metrics.runs[endedBy(verdict)].Inc()
		d.ack()
	case dedupe.Duplicate, dedupe.FollowUp, dedupe.Completed, dedupe.Cooldown, dedupe.NotDue, dedupe.Suspended:
		d.ack()
	}
	w.drop(d)
	return nil
}

// unknownRunDelay grows from one second to five minutes with the number of deliveries.
func unknownRunDelay(delivered uint64) time.Duration {
	return min(time.Second<<min(max(delivered, 1)-1, 9), 5*time.Minute)
}
