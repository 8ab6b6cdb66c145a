package jobs

import (
	"context"
	"testing"

	"oprun.example/pkg/events"
	"oprun.example/pkg/oprun"
)

// endOfCommit is in the request that commits effects with the end of their run: the counts of writeEffect.
const endOfCommit = `{"created":`

// Postgres does what it was asked, and its answer is lost with the connection: nobody knows whether it happened.
// The worker finds out, and neither does a thing twice nor calls it undone; as no process died, its counters are the
// ledger's (I2, I12).
func TestLostReply(t *testing.T) {
	t.Parallel()
	const marker = "reply.lost" // in the statement whose answer is lost
	for name, test := range map[string]struct {
		text     string // in what is sent to Postgres; empty: the marker
		change   func(*events.Request)
		handle   func(ctx context.Context, job *Job[keyed]) error
		outcome  oprun.Outcome
		attempts []oprun.AttemptResult
		effects  int
	}{
		"to a claim": {
			change:  func(r *events.Request) { r.Initiator = marker },
			handle:  writeEffect,
			outcome: oprun.Succeeded, effects: 1,
		},
		"to the commit of effects": {
			text:    endOfCommit,
			handle:  writeEffect,
			outcome: oprun.Succeeded, effects: 1,
		},
		"to the commit of effects, which the handler makes nothing of": {
			text: endOfCommit,
			handle: func(ctx context.Context, job *Job[keyed]) error {
				_ = writeEffect(ctx, job)
				return errBoom
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"to a success": {
			handle: func(_ context.Context, job *Job[keyed]) error {
				job.Failure(marker, "")
				return nil
			},
			outcome: oprun.PartiallySucceeded,
		},
		"to a failure": {
			handle:   func(context.Context, *Job[keyed]) error { return Blocked(marker, "") },
			outcome:  oprun.Blocked,
			attempts: []oprun.AttemptResult{oprun.AttemptFailed},
		},
		"to a retry": {
			handle:  onFirst(func() error { return &verdictError{kind: tryAgain, code: marker} }),
			outcome: oprun.Succeeded, effects: 1,
			attempts: []oprun.AttemptResult{oprun.AttemptFailed, oprun.AttemptSucceeded},
		},
		"to the last retry": {
			handle: func(_ context.Context, job *Job[keyed]) error {
				code := "test.failed"
				if job.Attempt == job.MaxAttempts {
					code = marker
				}
				return &verdictError{kind: tryAgain, code: code}
			},
			outcome:  oprun.Failed,
			attempts: []oprun.AttemptResult{oprun.AttemptFailed, oprun.AttemptFailed, oprun.AttemptFailed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			line := newProxy(t, s.database)
			_, ledger := s.openLedger(line.url)
			if test.text == "" {
				test.text = marker
			}
			if test.change == nil {
				test.change = func(*events.Request) {}
			}
			lost := line.loseReplyTo(test.text)
			w := s.startOn(s.js, ledger, handling(test.handle), Config{})
			run := s.publish(`{"key":"a"}`, test.change)
			<-lost
			s.settled(1)
			s.acknowledged()
			if got := s.run(run); got.Outcome != test.outcome {
				t.Errorf("the run ended as %s, want %s", got.Outcome, test.outcome)
			}
			wantAttempts(t, s.attempts(run), test.attempts...)
			if n := s.count("select count(*) from effects"); n != test.effects {
				t.Errorf("%d effects, want %d", n, test.effects)
			}
			s.wantCountersEqualRows(w)
		})
	}
}

// The handler's context ends in the moment in which the reply to its commit is lost, so that its worker is left to find
// out. The attempt counts as what it was, and not as what the handler made of it (I12).
func TestLostReplyAsTheHandlersTimeIsUp(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	line := newProxy(t, s.database)
	_, ledger := s.openLedger(line.url)
	lost := line.loseReplyTo(endOfCommit)
	w := s.startOn(s.js, ledger, handling(func(ctx context.Context, job *Job[keyed]) error {
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			<-lost
			cancel()
		}()
		return writeEffect(ctx, job)
	}), Config{})
	run := s.publish(`{"key":"a"}`)
	s.settled(1)
	s.acknowledged()
	s.wantOneEffectEach(run)
	s.wantCountersEqualRows(w)
}
