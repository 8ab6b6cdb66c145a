package jobs

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// maxMissing is how many unaccounted messages a worker keeps in mind; the gauge shows no more.
const maxMissing = 1000

// watch is a worker's own audit. It looks now and then at the messages that the consumer has passed since its last
// look, once at each, and again at those that were unaccounted, for as long as they are and the stream holds them.
type watch struct {
	*Worker
	grace   time.Duration
	made    time.Time // when the stream was: another time is another stream
	next    uint64    // the first message to look at
	missing []Offender
}

// watchLoop audits until the context ends. Each worker audits for itself: all that run show the same number.
func (w *Worker) watchLoop(ctx context.Context) {
	if w.config.AuditEvery < 0 {
		return
	}
	watch := &watch{Worker: w, grace: w.auditGrace()}
	// The first look is soon, but not at the start of a worker, which has better things to do.
	timer := time.NewTimer(spread(min(w.config.AuditEvery, time.Minute)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if err := watch.look(ctx); err == nil {
			w.metrics.audited.SetToCurrentTime()
		} else if ctx.Err() == nil {
			w.log.Warn("audit failed", "error", err)
		}
		w.metrics.unaccounted.Set(float64(len(watch.missing)))
		timer.Reset(spread(w.config.AuditEvery))
	}
}

// auditGrace is the time in which a message that was delivered may have no run yet.
func (w *Worker) auditGrace() time.Duration {
	grace := 2 * w.ackWait
	for _, spec := range w.specs {
		grace = max(grace, spec.job.Lease)
	}
	return grace
}

// spread keeps workers that began together from auditing together.
func spread(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d)/5+1))
}

// look audits what the consumer has passed since the last look, and what was missing then.
func (w *watch) look(ctx context.Context) error {
	a, err := newAuditor(ctx, w.js, w.ledger, AuditConfig{
		Stream: w.config.Stream, Consumer: w.config.Consumer, Subjects: w.config.Subjects, Types: w.config.Types, Grace: w.grace,
	})
	if err != nil {
		return err
	}
	if err := w.begin(ctx, a.passed); err != nil {
		return err
	}
	if err := w.lookAgain(ctx); err != nil {
		return err
	}
	if a.passed < w.next {
		return nil
	}
	a.config.Range = events.Range{FromSeq: w.next, ToSeq: a.passed, Until: a.settled}
	a.config.Limit = maxMissing - len(w.missing)
	if err := a.walk(ctx); err != nil {
		return err
	}
	w.next = max(w.next, a.span.LastSeq+1)
	w.remember(a.report)
	return nil
}

// remember keeps what was missing in mind, and tells of what was found once.
func (w *watch) remember(report AuditReport) {
	for _, o := range report.Offenders {
		if o.Problem == ProblemUnaccounted {
			w.missing = append(w.missing, o)
		}
	}
	if !report.Clean() {
		w.log.Error("messages unaccounted or doubled, consumer audit lists them", "unaccounted", report.Unaccounted,
			"doubled", report.Doubled, "from_seq", report.FirstSeq, "to_seq", report.LastSeq)
	}
}

// begin finds where to look first. In a stream that this worker has not seen that is what the consumer has not passed,
// and what was stored within one turn: its last passes may be those of a worker that died before it looked.
func (w *watch) begin(ctx context.Context, passed uint64) error {
	stream, err := w.js.Stream(ctx, w.config.Stream)
	if err != nil {
		return err
	}
	made := stream.CachedInfo().Created
	if made.Equal(w.made) {
		return nil
	}
	next, since := passed+1, time.Now().Add(-w.config.AuditEvery-w.grace)
	for first, err := range events.Read(ctx, w.js, w.config.Stream, events.Range{Since: since}) {
		if err != nil {
			return err
		}
		next = min(next, first.Seq)
		break
	}
	w.made, w.next, w.missing = made, next, nil
	return nil
}

// lookAgain forgets messages that have an account by now, or are no longer in the stream.
func (w *watch) lookAgain(ctx context.Context) error {
	var still []Offender
	for _, o := range w.missing {
		message, err := events.ReadBack(ctx, w.js, o.Stream, o.Seq)
		if errors.Is(err, events.ErrNoMessage) || err == nil && !message.StoredAt.Equal(o.StoreTime) {
			continue
		}
		if err != nil {
			return err
		}
		accounts, err := w.ledger.Account(ctx, o.Stream, []oprun.Sighting{o.sighting})
		if err != nil {
			return err
		}
		if has := accounts[0]; has.Run == uuid.Nil && has.Joined == uuid.Nil && has.DeadLetter == uuid.Nil {
			still = append(still, o)
		}
	}
	w.missing = still
	return nil
}
