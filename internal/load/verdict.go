package load

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

const (
	lookUp   = 1000 // requests in one question to the ledger
	pause    = time.Second / 4
	readBack = 200    // messages that nobody has claimed are read for their store time, so many at each look
	known    = 20_000 // and so many times are remembered
)

// Run sends the load and, if there is a ledger, asks it what became of the requests. The report is there beside an error, too,
// and tells what was done until then. Errors to test for are [*InputError], before anything is sent, those of [events.Publisher.Publish],
// and the context's cause. That a wait was too short is no error: see [Verdicts.Waiting].
func Run(ctx context.Context, config Config) (Report, error) {
	p, err := config.newPlan()
	if err != nil {
		return Report{}, err
	}
	s := &sending{plan: p, started: time.Now(), report: Report{Load: p.id, Seed: p.Seed}}
	if err = s.send(ctx); err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	took := time.Since(s.started)
	r := s.report
	r.Seconds, r.BehindMS, r.Ack = took.Seconds(), millis(r.Behind), s.acks.sum()
	r.PerSecond = float64(r.Messages) / max(r.Seconds, 1e-3)
	if err != nil || config.Ledger == nil {
		return r, err
	}
	a := &asking{sending: s, times: map[int]time.Time{}}
	r.Verdicts, err = a.ask(ctx)
	return r, err
}

// asking asks the ledger until it has an end for everything, or the time is up.
type asking struct {
	*sending
	times    map[int]time.Time // when the stream stored what nobody had claimed
	verdicts Verdicts
	ends     latencies

	unclaimed []int // at this look
}

func (a *asking) ask(ctx context.Context) (*Verdicts, error) {
	up := time.Now().Add(a.Wait)
	a.verdicts.Runs = map[string]int{}
	var open []int
	for number, seq := range a.seqs {
		if seq > 0 && a.slot(number).isRequest() {
			open = append(open, number)
		}
	}
	for {
		a.verdicts.Unclaimed, a.verdicts.Runs["pending"], a.unclaimed = 0, 0, nil
		still, err := a.lookAll(ctx, open)
		last := len(still) == 0 || !time.Now().Before(up)
		if err != nil || last {
			a.verdicts.End = a.ends.sum()
			if a.verdicts.Runs["pending"] == 0 {
				delete(a.verdicts.Runs, "pending")
			}
			return &a.verdicts, err
		}
		open = still
		select {
		case <-ctx.Done():
			return &a.verdicts, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// lookAll looks at all that is open once, and returns what still is.
func (a *asking) lookAll(ctx context.Context, open []int) (still []int, err error) {
	for len(open) > 0 && err == nil {
		n := min(len(open), lookUp)
		var more []int
		more, err = a.look(ctx, open[:n])
		still, open = append(still, more...), open[n:]
	}
	if err != nil {
		return still, err
	}
	return still, a.readBack(ctx)
}

func (a *asking) look(ctx context.Context, numbers []int) (still []int, err error) {
	sightings := make([]oprun.Sighting, len(numbers))
	for i, number := range numbers {
		s := a.slot(number)
		k := a.kinds[s.kind]
		scope := k.scopes[s.scope]
		sightings[i] = oprun.Sighting{
			RunID: dedupe.ByRequest(a.requestID(s), time.Time{}).RunID(scope, k.name), Scope: scope, Type: k.name,
			Seq: a.seqs[number], StoredAt: a.times[number],
		}
	}
	accounts, err := a.Ledger.Account(ctx, a.stream, sightings)
	if err != nil {
		return nil, err
	}
	runs, err := a.runs(ctx, accounts)
	for i, has := range accounts {
		if a.count(has, runs[has.Run]) {
			still = append(still, numbers[i])
		}
		if has == (oprun.Account{}) {
			a.unclaimed = append(a.unclaimed, numbers[i])
		}
	}
	return still, err
}

// runs reads the runs that the requests have made.
func (a *asking) runs(ctx context.Context, accounts []oprun.Account) (map[uuid.UUID]oprun.Run, error) {
	var ids []uuid.UUID
	for _, has := range accounts {
		if has.Run != uuid.Nil {
			ids = append(ids, has.Run)
		}
	}
	found, err := a.Ledger.RunsByID(ctx, ids)
	runs := make(map[uuid.UUID]oprun.Run, len(found))
	for _, run := range found {
		runs[run.ID] = run
	}
	return runs, err
}

// count gives a request its one place in the report, and reports whether that may change.
func (a *asking) count(has oprun.Account, run oprun.Run) (open bool) {
	switch {
	case has.Run != uuid.Nil && run.CompletedAt == nil:
		a.verdicts.Runs["pending"]++
		return true
	case has.Run != uuid.Nil:
		a.verdicts.Runs[string(run.Outcome)]++
		if has.Successes > 1 {
			a.verdicts.Doubled++
		}
		if run.OriginTime != nil {
			a.ends.add(run.CompletedAt.Sub(*run.OriginTime))
		}
	case has.Joined != uuid.Nil:
		a.verdicts.Joined++
	case has.DeadLetter != uuid.Nil:
		a.verdicts.DeadLetters++
	default:
		a.verdicts.Unclaimed++
		return true
	}
	return false
}

// readBack learns when the stream stored some of what nobody has claimed: by that, its dead letter is known.
func (a *asking) readBack(ctx context.Context) error {
	n := 0
	for _, number := range a.unclaimed {
		if _, ok := a.times[number]; ok {
			continue
		}
		if n++; n > readBack || len(a.times) == known {
			return nil
		}
		message, err := events.ReadBack(ctx, a.JS, a.stream, a.seqs[number])
		if err != nil && !errors.Is(err, events.ErrNoMessage) {
			return err
		}
		a.times[number] = message.StoredAt
	}
	return nil
}
