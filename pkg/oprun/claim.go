package oprun

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// Claimer is who claims: one worker process on one stream.
type Claimer struct {
	Worker  uuid.UUID     // shown as claimed_by
	Stream  string        // where the deliveries come from
	AckWait time.Duration // how long the broker waits before it delivers again
}

// Delivery is one message that asks whether it may run.
type Delivery struct {
	RunID       uuid.UUID // named by the message, or derived from its occurrence
	Named       bool      // the message names the run: then the row decides, and must exist
	Identity    dedupe.Identity
	Token       uuid.UUID     // random, made by the caller: the same claim may be sent again under it
	Lease       time.Duration // how long the claim is believed without a heartbeat
	MaxAttempts int           // zero: DefaultMaxAttempts
	Seq         uint64        // the message's place in the stream
	StoredAt    time.Time
	Initiator   string // who asked; empty: system
	Once        bool   // the identity runs once, for as long as the ledger keeps the run
	Cools       bool   // a success of the identity keeps it from running again for a while
	Follows     bool   // a duplicate waits behind an owner that is running
	Input       []byte // the message's body; kept by a run that waits or is parked
	Trace       Trace  // the producer's; kept likewise

	// ReplayedFrom is the place of the recorded message that this request was made of; "": none. The run keeps it in its
	// context, as replayed_from.
	ReplayedFrom string
}

func (d *Delivery) maxAttempts() int { return cmp.Or(d.MaxAttempts, DefaultMaxAttempts) }

// Answer is the ledger's verdict on one delivery.
type Answer struct {
	Verdict     dedupe.Verdict
	RunID       uuid.UUID // the run it is, or the run that stands for it (Duplicate)
	Attempt     int       // of the run; counts this claim (Execute)
	MaxAttempts int
	Input       []byte        // a named run's input, which replaces the message's body (Execute)
	RetryIn     time.Duration // when asking again can have another answer (Busy)
	Reason      dedupe.Reason // why it can never run (Rejected)
	TookOver    bool          // from an attempt that was abandoned
}

// claimRounds is how often a delivery between two states is inserted and looked up, before it is told to come back.
const claimRounds = 4

// When deliveries that could not be judged should ask again.
const (
	contendedRetry = time.Second // another transaction holds the identity, or another worker the run
	unsettledRetry = 100 * time.Millisecond
)

// Claim asks for each delivery whether it may run; answers[i] is about batch[i]. It costs one statement when all
// are new, or all name runs that are queued, and one more for the rest of them together.
//
// It is idempotent by token: after an error the same batch may be sent again. It never waits long for a lock: a
// delivery whose identity another transaction holds is Busy, and its neighbours are not held up. An error means
// that some answers are unknown; claims that were made stay claims of their tokens.
func (l *Ledger) Claim(ctx context.Context, who Claimer, batch []Delivery) ([]Answer, error) {
	c := &claim{ledger: l, who: who, batch: batch, answers: make([]Answer, len(batch))}
	fresh, named := c.sort(c.single())
	known, err := c.take(ctx, named)
	if err != nil {
		return nil, fmt.Errorf("claim %d runs: %w", len(named), err)
	}
	for range claimRounds {
		missed, err := c.insert(ctx, fresh)
		if err != nil {
			return nil, fmt.Errorf("claim %d deliveries: %w", len(batch), err)
		}
		known = append(known, missed...)
		again, err := c.settle(ctx, known)
		if err != nil {
			return nil, fmt.Errorf("settle %d deliveries: %w", len(known), err)
		}
		if len(again) == 0 {
			return c.answers, nil
		}
		fresh, known = c.sort(again)
	}
	for _, i := range append(fresh, known...) {
		c.answers[i] = Answer{Verdict: dedupe.Busy, RunID: batch[i].RunID, RetryIn: unsettledRetry}
	}
	return c.answers, nil
}

// claim is one call of Claim. Deliveries are spoken of by their index in the batch.
type claim struct {
	ledger  *Ledger
	who     Claimer
	batch   []Delivery
	answers []Answer
}

// single returns the deliveries without second copies of a run: these are answered at once, since one statement can
// only be asked about one of them.
func (c *claim) single() []int {
	seen := make(map[uuid.UUID]struct{}, len(c.batch))
	single := make([]int, 0, len(c.batch))
	for i := range c.batch {
		id := c.batch[i].RunID
		if _, twice := seen[id]; twice {
			c.blocked(i)
			continue
		}
		seen[id] = struct{}{}
		single = append(single, i)
	}
	return single
}

// sort parts deliveries that may create their run from those that name one.
func (c *claim) sort(these []int) (fresh, named []int) {
	for _, i := range these {
		if c.batch[i].Named {
			named = append(named, i)
		} else {
			fresh = append(fresh, i)
		}
	}
	return fresh, named
}

// blocked answers a delivery that somebody else is at.
func (c *claim) blocked(i int) {
	c.answers[i] = Answer{Verdict: dedupe.Busy, RunID: c.batch[i].RunID, RetryIn: contendedRetry}
}

// insert tries to create the runs, and returns the deliveries that created none.
func (c *claim) insert(ctx context.Context, these []int) (missed []int, err error) {
	err = apart(these, func(part []int, wait time.Duration) error {
		created, err := c.create(ctx, part, wait)
		if err == nil {
			missed = append(missed, c.executing(part, created)...)
		}
		return err
	}, c.blocked)
	return missed, err
}

// create sends the INSERT: the plain form while no key is taken, the tolerant one once one was.
func (c *claim) create(ctx context.Context, these []int, wait time.Duration) (created []rawID, err error) {
	args := c.newArgs(these)
	read := func(rows pgx.Rows) error {
		created, err = readIDs(rows, len(these))
		return err
	}
	wary := &c.ledger.wary
	if wary.strict() {
		err := c.ledger.impatient(ctx, wait, claimNewSQL, args, read)
		if !hasCode(err, uniqueViolation) {
			return created, err
		}
	}
	err = c.ledger.impatient(ctx, wait, claimTolerantSQL, args, read)
	if err == nil && len(created) < len(these) {
		wary.conflicted()
	}
	return created, err
}

// executing answers the deliveries whose runs were created, and returns the others.
func (c *claim) executing(these []int, created []rawID) (missed []int) {
	var made map[rawID]bool // nil: all of them
	if len(created) < len(these) {
		made = make(map[rawID]bool, len(created))
		for _, id := range created {
			made[id] = true
		}
	}
	for _, i := range these {
		d := &c.batch[i]
		if made != nil && !made[rawID(d.RunID)] {
			missed = append(missed, i)
			continue
		}
		c.answers[i] = Answer{Verdict: dedupe.Execute, RunID: d.RunID, Attempt: 1, MaxAttempts: d.maxAttempts()}
	}
	return missed
}

// take answers the deliveries that name a run which is plainly queued, and returns the others.
func (c *claim) take(ctx context.Context, these []int) (left []int, err error) {
	err = apart(these, func(part []int, wait time.Duration) error {
		return c.ledger.impatient(ctx, wait, claimQueuedSQL, c.queuedArgs(part), func(rows pgx.Rows) error {
			taken, err := readTaken(rows, len(part))
			if err != nil {
				return err
			}
			for _, i := range part {
				if run, ours := taken[rawID(c.batch[i].RunID)]; ours {
					c.answers[i] = run
				} else {
					left = append(left, i)
				}
			}
			return nil
		})
	}, c.blocked)
	return left, err
}

// settle asks about deliveries that created no run, and returns those that should try to create one again.
func (c *claim) settle(ctx context.Context, these []int) (again []int, err error) {
	var left unsettled
	err = apart(these, func(part []int, wait time.Duration) error {
		var found unsettled
		err := c.ledger.promoting(ctx, wait, c.followed(part), claimKnownSQL, c.knownArgs(part), func(rows pgx.Rows) error {
			return c.readAnswers(rows, part, &found)
		})
		if err == nil { // and not before: it may be taken back
			left.add(found)
		}
		return err
	}, c.blocked)
	if err != nil {
		return nil, err
	}
	late, err := c.shelve(ctx, left.wait, dedupe.FollowUp, waitSQL, c.waitArgs)
	if err != nil {
		return nil, err
	}
	resumed, err := c.shelve(ctx, left.park, dedupe.Suspended, parkSQL, c.parkArgs)
	return slices.Concat(left.again, late, resumed), err
}

// shelve keeps deliveries in the ledger that are to run later, and returns those for which that was not to be: what
// stood in their way is gone.
func (c *claim) shelve(ctx context.Context, these []int, verdict dedupe.Verdict, sql string, args func([]int) []any) (again []int, err error) {
	err = apart(these, func(part []int, wait time.Duration) error {
		return c.ledger.impatient(ctx, wait, sql, args(part), func(rows pgx.Rows) error {
			kept, err := finished(rows, len(part))
			for _, i := range part {
				if kept[c.batch[i].RunID] {
					c.answers[i] = Answer{Verdict: verdict, RunID: c.batch[i].RunID}
				} else {
					again = append(again, i)
				}
			}
			return err
		})
	}, c.blocked)
	return again, err
}

// followed are the runs behind which a follow-up may wait.
func (c *claim) followed(these []int) (runs []rawID) {
	for _, i := range these {
		if c.batch[i].Follows {
			runs = append(runs, rawID(c.batch[i].RunID))
		}
	}
	return runs
}

// wariness remembers that keys were taken lately, so that the plain INSERT is not tried in vain.
type wariness struct{ batches atomic.Int32 }

const waryFor = 16 // batches

func (w *wariness) conflicted()  { w.batches.Store(waryFor) }
func (w *wariness) strict() bool { return w.batches.Load() <= 0 || w.batches.Add(-1) < 0 }
