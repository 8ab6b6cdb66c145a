package oprun

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

const stressIdentities = 120

// pause lets time pass, up to the end of the context.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// upTo pauses for a random time.
func upTo(ctx context.Context, longest time.Duration) error { return pause(ctx, rand.N(longest)) }

// chance is true in so many of a hundred cases, while faults are made.
func (s *stress) chance(percent int) bool { return s.faulty.Load() && rand.IntN(100) < percent }

// followType is a type whose duplicates follow up.
const followType = "assignments.follow"

// someIdentity is one of few: every third one is the workspace's, every fourth one follows up.
func (s *stress) someIdentity() dedupe.Identity {
	n := rand.IntN(stressIdentities)
	id := s.identity(fmt.Sprint("job ", n))
	if n%3 == 0 {
		id.Scope = dedupe.Workspace(s.workspace.ID)
	}
	if n%4 == 0 {
		id.Type = followType
	}
	return id
}

// produce publishes messages, some of them twice.
func (s *stress) produce(ctx context.Context) error {
	batch := make([]Delivery, 8)
	for i := range batch {
		d := s.delivery("")
		d.Identity, d.Lease, d.MaxAttempts = s.someIdentity(), stressLease, 5
		d.Follows = d.Identity.Type == followType
		batch[i] = d
	}
	s.queue.put(batch...)
	if s.chance(25) {
		s.queue.put(batch[:3]...)
	}
	return upTo(ctx, 12*time.Millisecond)
}

// call asks for runs in a transaction that stays open for a while, and is sometimes rolled back. The identities are
// in one order, as in any program that locks more than one thing.
func (s *stress) call(ctx context.Context) error {
	wanted := []dedupe.Identity{s.someIdentity(), s.someIdentity()}
	slices.SortFunc(wanted, func(a, b dedupe.Identity) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
	tx, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	for _, id := range wanted {
		r := Request{Identity: id, Input: []byte(`{"called": true}`), MaxAttempts: 5, Follows: id.Type == followType}
		if _, _, err = s.On(tx).Ensure(ctx, r); err != nil {
			return err
		}
	}
	if err := upTo(ctx, 10*time.Millisecond); err != nil {
		return err
	}
	if s.chance(12) {
		return nil
	}
	s.requests.Add(int64(len(wanted)))
	return tx.Commit(ctx)
}

// cancel asks for the cancellation of a run.
func (s *stress) cancel(ctx context.Context) error {
	var id uuid.UUID
	err := s.pool.QueryRow(ctx, "select id from oprun.operation_runs where completed_at is null order by random() limit 1").Scan(&id)
	if err == nil {
		_, err = s.Cancel(ctx, id, "", "")
	}
	if errors.Is(err, pgx.ErrNoRows) || hasCode(err, lockTimeout) {
		err = nil
	}
	return errors.Join(err, upTo(ctx, 40*time.Millisecond))
}

// suspend lets the tenant rest for a moment.
func (s *stress) suspend(ctx context.Context) error {
	_, err := s.Suspend(ctx, s.tenant.ExternalID)
	err = errors.Join(err, upTo(ctx, 60*time.Millisecond))
	_, _, back := s.Resume(context.WithoutCancel(ctx), s.tenant.ExternalID)
	return errors.Join(err, back, upTo(ctx, 300*time.Millisecond))
}

// work is one round of a worker: claim, and deal with what may run in one way or another.
func (s *stress) work(ctx context.Context) error {
	batch := s.queue.take(1+rand.IntN(60), func(list []Delivery) {
		rand.Shuffle(len(list), func(a, b int) { list[a], list[b] = list[b], list[a] })
	})
	if len(batch) == 0 {
		return pause(ctx, 2*time.Millisecond)
	}
	for i := range batch {
		batch[i] = again(batch[i])
	}
	answers, err := s.Claim(ctx, s.who, batch)
	if err != nil {
		return err
	}
	var back []Delivery
	var running []Hold
	for i, a := range answers {
		switch {
		case a.Verdict == dedupe.Execute:
			h := hold(batch[i], a)
			h.Follows = batch[i].Follows
			running = append(running, h)
		case a.Verdict == dedupe.Busy, s.chance(3): // a lost acknowledgement
			back = append(back, batch[i])
		case a.Verdict == dedupe.Rejected, a.Verdict == dedupe.UnknownRun:
			return fmt.Errorf("a message was answered with %s", a.Verdict)
		}
	}
	s.executed.Add(int64(len(running)))
	err = s.run(ctx, running)
	s.queue.done(len(batch), back...)
	return err
}

// run ends attempts: in a batch, in a transaction of their own, by giving them back, too late, or not at all.
func (s *stress) run(ctx context.Context, running []Hold) error {
	group, inner := errgroup.WithContext(ctx)
	var batch []Result
	var parked []Requeue
	for _, h := range running {
		switch n := rand.IntN(100); {
		case s.chance(5): // the worker dies
		case s.chance(8):
			s.frozen(func() error { return s.late(ctx, h) })
		case s.chance(12):
			parked = append(parked, Requeue{Hold: h, Delay: rand.N(100 * time.Millisecond), Input: []byte(`{}`), Ended: AttemptFailed, GiveBack: n < 30})
		case n < 20:
			group.Go(func() error { return s.effect(inner, h) })
		default:
			batch = append(batch, succeeded(h))
		}
	}
	rand.Shuffle(len(running), func(a, b int) { running[a], running[b] = running[b], running[a] })
	group.Go(func() error {
		_, err := s.Extend(inner, running)
		return err
	})
	group.Go(func() error {
		_, err := s.Requeue(inner, parked)
		return err
	})
	group.Go(func() error {
		done, err := s.Finish(inner, batch)
		s.fenced.Add(int64(len(batch) - len(done)))
		return err
	})
	return group.Wait()
}

// late is a worker that froze, and does not know how long.
func (s *stress) late(ctx context.Context, h Hold) error {
	return errors.Join(pause(ctx, stressLease/2+rand.N(2*stressLease)), s.effect(ctx, h))
}

// effect is a handler that writes something in its run's transaction.
func (s *stress) effect(ctx context.Context, h Hold) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into effects values ($1, $2)", h.RunID, h.Token); err != nil {
			return err
		}
		r := succeeded(h)
		r.Counts = map[string]int64{"created": 1}
		return s.On(tx).Finish(ctx, r)
	})
	ended, unknown := s.Confirm(ctx, []Hold{h})
	switch {
	case unknown != nil:
		return unknown
	case (ended[h.RunID] == Succeeded) != (err == nil):
		return fmt.Errorf("run %s: confirmed as %q, the commit said %w", h.RunID, ended[h.RunID], err)
	case IsFenced(err):
		s.fenced.Add(1)
		return s.Fence(ctx, s.who.Worker, []Hold{h})
	default:
		return err
	}
}

// relay is one round of a relay and a sweeper; sometimes the stream loses a message, or the relay dies before it has
// recorded a publication.
func (s *stress) relay(ctx context.Context) error {
	if _, err := s.Sweep(ctx, 200, 10*time.Millisecond); err != nil {
		return err
	}
	due, err := s.Due(ctx, Relay{Limit: 200, Turn: 50 * time.Millisecond, Stream: "JOBS"})
	if err != nil {
		return err
	}
	var sent []Publication
	for _, r := range due {
		if r.Input == nil {
			if _, err := s.KeepInput(ctx, r.ID, []byte(`{"read": "back"}`), Trace{}); err != nil {
				return err
			}
			continue
		}
		if !s.queue.swallows(dedupe.RunMsgID(r.ID, r.DispatchNo)) && !s.chance(5) {
			s.queue.put(s.publication(r))
		}
		if !s.chance(5) {
			sent = append(sent, Publication{RunID: r.ID, DispatchNo: r.DispatchNo, Seq: 1})
		}
	}
	return errors.Join(s.Published(ctx, sent, 100*time.Millisecond), pause(ctx, 5*time.Millisecond))
}

// publication is the message that names a due run.
func (s *stress) publication(r DueRun) Delivery {
	return Delivery{
		RunID: r.ID, Named: true, Identity: dedupe.Identity{Scope: r.Scope, Type: r.Type}, Token: uuid.New(),
		Lease: stressLease, MaxAttempts: 5, Follows: r.Type == followType,
	}
}
