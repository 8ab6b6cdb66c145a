package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// maxBatch is how many messages the ledger is asked about at once, and for how long at most the answers are held.
const (
	maxBatch = 512
	maxHeld  = time.Second
)

// meant are the messages that the filter takes, by what they are called.
func (r *replay) meant() iter.Seq2[string, messageOrError] {
	return func(yield func(string, messageOrError) bool) {
		line := 0
		for m, err := range r.source.Messages {
			line++
			if err != nil {
				yield("", messageOrError{err: err})
				return
			}
			if r.config.Filter.Match(m) && !yield(r.source.at(line, m), messageOrError{message: m}) {
				return
			}
		}
	}
}

type messageOrError struct {
	message events.Message
	err     error
}

// survey reads everything once, if it can be read twice, before anything is published.
func (r *replay) survey(ctx context.Context) error {
	if r.source.Once {
		return nil
	}
	var old *OldError
	for at, next := range r.meant() {
		if next.err != nil {
			return next.err
		}
		if r.progress.Total++; r.progress.Total%maxBatch == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.tell()
		}
		if r.config.AsNew || r.config.SkipOld {
			continue
		}
		if i := r.read(at, next.message); !r.covers(&i) {
			if old == nil {
				old = r.tooOld(&i)
			}
			old.Count++
		}
	}
	if old != nil {
		return old
	}
	return nil
}

// covers reports whether the ledger promises to know what it has done of a message.
func (r *replay) covers(i *item) bool {
	if i.refused != nil {
		return r.memory.Covers(i.recorded.StoredAt, uuid.Nil)
	}
	return r.memory.Covers(i.job.AcceptedAt, i.run)
}

func (r *replay) tooOld(i *item) *OldError {
	return &OldError{At: i.at, StoreT: i.recorded.StoredAt, Since: r.memory.Since}
}

// walk takes the messages batch by batch: the ledger is asked about them, and then they are published.
func (r *replay) walk(ctx context.Context) error {
	var until time.Time // when the batch is too old to go on with
	n, total := 0, r.progress.Total
	for at, next := range r.meant() {
		switch {
		case next.err != nil:
			return errors.Join(r.judge(ctx), next.err)
		case !r.source.Once && n == total: // a stream has grown since the survey
			return r.judge(ctx)
		}
		due := r.pace.due(n, next.message)
		full := len(r.batch) == maxBatch || len(r.batch) > 0 && (due.After(until) || r.batch[0].recorded.Stream != next.message.Stream)
		if full {
			if err := r.judge(ctx); err != nil {
				return err
			}
		}
		if len(r.batch) == 0 {
			until = due.Add(maxHeld)
			if err := wait(ctx, due); err != nil {
				return err
			}
		}
		i := r.read(at, next.message)
		r.batch, n = append(r.batch, i), n+1
	}
	return r.judge(ctx)
}

// judge asks the ledger about the batch, and publishes what is to be published of it.
func (r *replay) judge(ctx context.Context) error {
	batch := r.batch
	r.batch = r.batch[:0]
	if len(batch) == 0 {
		return nil
	}
	if err := r.remember(ctx); err != nil {
		return err
	}
	accounts, err := r.ask(ctx, batch)
	if err != nil {
		return err
	}
	for n := range batch {
		if err := r.decide(ctx, &batch[n], accounts[n]); err != nil {
			return err
		}
		r.progress.Judged++
		r.report.Messages++
	}
	flying := maxFlying / 2
	if r.pace.slow() {
		flying = 0 // there is time to learn at once what fails
	}
	if err := r.land(ctx, flying); err != nil {
		return err
	}
	r.tell()
	return nil
}

// remember asks the ledger how far back it knows everything: retention goes on meanwhile, and a request whose id is not
// dated would run again.
func (r *replay) remember(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	memory, err := r.ledger.Memory(ctx)
	if err != nil {
		return err
	}
	memory.Now = r.memory.Now // when the replay began: what has ended since is an effect of it
	r.memory = memory
	return nil
}

func (r *replay) ask(ctx context.Context, batch []item) ([]oprun.Account, error) {
	sightings := make([]oprun.Sighting, len(batch))
	for n := range batch {
		sightings[n] = r.sighting(&batch[n])
	}
	stream := batch[0].recorded.Stream
	if r.config.AsNew {
		stream = "" // what became of the recorded messages is of no matter
	}
	return r.account(ctx, stream, sightings)
}

// accountPatience is how long a ledger may take to look up a batch, on a database that has none of it in memory.
const accountPatience = time.Minute

func (r *replay) account(ctx context.Context, stream string, sightings []oprun.Sighting) ([]oprun.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, accountPatience)
	defer cancel()
	return r.ledger.Account(ctx, stream, sightings)
}

// decide does with one message what the ledger's account of it asks for.
func (r *replay) decide(ctx context.Context, i *item, has oprun.Account) error {
	if !r.ours.Match(i.recorded) { // it would go to somebody else, to the broker itself perhaps
		r.refuse(i, dedupe.Malformed)
		return nil
	}
	if !r.config.AsNew && !r.covers(i) {
		if !r.config.SkipOld {
			old := r.tooOld(i)
			old.Count = 1
			return old
		}
		r.refuse(i, dedupe.OlderThanRetention)
		return nil
	}
	if i.refused != nil {
		return r.decideDead(ctx, i, has)
	}
	known, err := r.knows(ctx, i.job.Scope)
	switch {
	case err != nil:
		return err
	case !known:
		r.refuse(i, dedupe.ScopeUnknown)
		return nil
	case r.config.AsNew && !has.EndedAt.IsZero(): // this very replay, which goes on, has done it
		r.classify(i.label, has)
		return nil
	case !r.config.AsNew && i.job.RunID != uuid.Nil && has.Run == uuid.Nil:
		r.refuse(i, dedupe.RunUnknown)
		return nil
	case has.Run == uuid.Nil && has.Joined == uuid.Nil && has.DeadLetter != uuid.Nil:
		r.tally.add(i.label, DeadLetter, "", 1) // requeued, it would be another request: as this one it must not run
		return nil
	case r.config.DryRun:
		r.foretell(i, has)
		return nil
	}
	return r.send(ctx, i)
}

// decideDead is decide for a message that is no job. Where the ledger has it among its dead letters, that is all.
func (r *replay) decideDead(ctx context.Context, i *item, has oprun.Account) error {
	if has.DeadLetter != uuid.Nil || r.config.DryRun {
		r.tally.add(i.label, DeadLetter, reasonOf(i.refused), 1)
		return nil
	}
	return r.send(ctx, i)
}

func (r *replay) refuse(i *item, reason dedupe.Reason) { r.refuseAs(i.label, reason.String()) }

func (r *replay) refuseAs(label, reason string) {
	r.tally.add(label, Refused, reason, 1)
	r.report.Refused++
}

func reasonOf(err error) string {
	if refusal, ok := errors.AsType[*events.Refusal](err); ok {
		return refusal.Reason.String()
	}
	return fmt.Sprint(err)
}
