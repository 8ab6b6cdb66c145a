package jobs

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

var errBoom = errors.New("boom")

// ending is how a run that a handler steers is expected to end.
type ending struct {
	handle      func(ctx context.Context, job *Job[keyed]) error
	input       string // empty: a good one
	timeout     time.Duration
	outcome     oprun.Outcome
	attempts    []oprun.AttemptResult // recorded
	maxAttempts int                   // 0: as declared
	failures    []oprun.Failure
	text        string // a part of the first attempt's error text
}

var endings = map[string]ending{
	"nil succeeds": {
		handle:  func(context.Context, *Job[keyed]) error { return nil },
		outcome: oprun.Succeeded,
	},
	"nil with failures succeeds partially": {
		handle: func(_ context.Context, job *Job[keyed]) error {
			job.Failure("policy.rejected", "a policy was refused")
			job.Failure("policy.rejected", "a policy was refused")
			return nil
		},
		outcome:  oprun.PartiallySucceeded,
		failures: []oprun.Failure{{Code: "policy.rejected", Message: "a policy was refused", Count: 2}},
	},
	"a commit with failures succeeds partially": {
		handle: func(ctx context.Context, job *Job[keyed]) error {
			job.Failure("policy.rejected", "a policy was refused")
			return writeEffect(ctx, job)
		},
		outcome:  oprun.PartiallySucceeded,
		failures: []oprun.Failure{{Code: "policy.rejected", Message: "a policy was refused", Count: 1}},
	},
	"blocked": {
		handle:   func(context.Context, *Job[keyed]) error { return Blocked("licence.missing", "no licence") },
		outcome:  oprun.Blocked,
		attempts: []oprun.AttemptResult{oprun.AttemptFailed},
		failures: []oprun.Failure{{Code: "licence.missing", Message: "no licence", Count: 1}},
		text:     "licence.missing: no licence",
	},
	"cancelled": {
		handle:   func(context.Context, *Job[keyed]) error { return Cancel(errBoom) },
		outcome:  oprun.Cancelled,
		attempts: []oprun.AttemptResult{oprun.AttemptCancelled},
		text:     "boom",
	},
	"permanent fails at once": {
		handle:   func(context.Context, *Job[keyed]) error { return Permanent(errBoom) },
		outcome:  oprun.Failed,
		attempts: []oprun.AttemptResult{oprun.AttemptFailed},
		failures: []oprun.Failure{{Code: "handler.error", Count: 1}},
		text:     "boom",
	},
	"an input that does not decode fails at once": {
		handle: writeEffect, input: `{"key":7}`,
		outcome:  oprun.Failed,
		attempts: []oprun.AttemptResult{oprun.AttemptFailed},
		failures: []oprun.Failure{{Code: "input.invalid", Count: 1}},
		text:     "decode input",
	},
	"a plain error is tried again until no attempt is left": {
		handle:   func(context.Context, *Job[keyed]) error { return errBoom },
		outcome:  oprun.Failed,
		attempts: []oprun.AttemptResult{oprun.AttemptFailed, oprun.AttemptFailed, oprun.AttemptFailed},
		failures: []oprun.Failure{{Code: "handler.error", Count: 1}},
		text:     "boom",
	},
	"an asked-for retry counts as an attempt": {
		handle:   onFirst(func() error { return Retry(errBoom, 20*time.Millisecond) }),
		outcome:  oprun.Succeeded,
		attempts: []oprun.AttemptResult{oprun.AttemptFailed, oprun.AttemptSucceeded},
		text:     "boom",
	},
	"a snooze does not use up the attempt": {
		handle:   onFirst(func() error { return Snooze(20 * time.Millisecond) }),
		outcome:  oprun.Succeeded,
		attempts: []oprun.AttemptResult{oprun.AttemptSucceeded}, maxAttempts: 4,
	},
	"a panic is recorded with its stack and tried again": {
		handle:   onFirst(func() error { panic("at the disco") }),
		outcome:  oprun.Succeeded,
		attempts: []oprun.AttemptResult{oprun.AttemptPanicked, oprun.AttemptSucceeded},
		text:     "outcome_test.go",
	},
	"a handler that ends its goroutine has panicked": {
		handle: onFirst(func() error {
			runtime.Goexit()
			return nil
		}),
		outcome:  oprun.Succeeded,
		attempts: []oprun.AttemptResult{oprun.AttemptPanicked, oprun.AttemptSucceeded},
	},
	"a panic each time ends in a failure that says so": {
		handle:   func(context.Context, *Job[keyed]) error { panic(errBoom) },
		outcome:  oprun.Failed,
		attempts: []oprun.AttemptResult{oprun.AttemptPanicked, oprun.AttemptPanicked, oprun.AttemptPanicked},
		failures: []oprun.Failure{{Code: "handler.panicked", Message: "the handler panicked", Count: 1}},
		text:     "boom",
	},
	"a time-out is tried again": {
		handle: func(ctx context.Context, _ *Job[keyed]) error {
			<-ctx.Done()
			return ctx.Err()
		},
		timeout:  50 * time.Millisecond,
		outcome:  oprun.Failed,
		attempts: []oprun.AttemptResult{oprun.AttemptTimedOut, oprun.AttemptTimedOut, oprun.AttemptTimedOut},
		failures: []oprun.Failure{{Code: "handler.timed_out", Message: "the job's time was up", Count: 1}},
		text:     context.DeadlineExceeded.Error(),
	},
}

// onFirst does something else in the first attempt, and writes an effect in the second.
func onFirst(first func() error) func(context.Context, *Job[keyed]) error {
	return func(ctx context.Context, job *Job[keyed]) error {
		if job.Attempt == 1 {
			return first()
		}
		return writeEffect(ctx, job)
	}
}

// A run ends as its handler says, with every attempt but a first success recorded, and counters and ledger agree
// (I2, I7, I12).
func TestOutcome(t *testing.T) {
	t.Parallel()
	for name, want := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			w, id := s.play(want, Config{})
			s.settled(1)
			s.acknowledged()
			s.wantEnding(id, want)
			s.wantCountersEqualRows(w)
		})
	}
}

// play starts a worker whose handler ends a job so, and publishes one.
func (s *stack) play(e ending, config Config) (*worker, uuid.UUID) {
	s.t.Helper()
	job := testJob()
	job.Identity = []string{}
	if e.timeout > 0 {
		job.Timeout = e.timeout
	}
	s.catalog = testCatalog(s.t, job)
	w := s.start(handling(e.handle), config)
	if e.input == "" {
		e.input = `{"key":"a"}`
	}
	return w, s.publish(e.input)
}

func (s *stack) wantEnding(id uuid.UUID, want ending) {
	s.t.Helper()
	run := s.run(id)
	if run.Outcome != want.outcome {
		s.t.Errorf("the run ended as %s, want %s", run.Outcome, want.outcome)
	}
	if diff := cmp.Diff(want.failures, run.FailureSummary, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("failure summary (-want +got):\n%s", diff)
	}
	if run.MaxAttempts != max(want.maxAttempts, 3) {
		s.t.Errorf("the run may have %d attempts, want %d", run.MaxAttempts, want.maxAttempts)
	}
	wantAttempts(s.t, s.attempts(id), want.attempts...)
	if want.text != "" {
		first := must(s.ledger.Attempts(s.t.Context(), id))(s.t)[0]
		if !strings.Contains(first.Error, want.text) {
			s.t.Errorf("the attempt says %q, want %q in it", first.Error, want.text)
		}
	}
}
