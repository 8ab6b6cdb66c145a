package jobs

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/oprun"
)

// queueEffect queues the effect that the tests count.
func queueEffect(job *Job[keyed]) {
	job.Queue("insert into effects values ($1, $2)", job.RunID, job.Attempt)
}

// keys are inputs with these many different keys.
func keys(n int) []string {
	inputs := make([]string, n)
	for i := range inputs {
		inputs[i] = fmt.Sprintf(`{"key":"%d"}`, i)
	}
	return inputs
}

// What many handlers have queued happens exactly once for each, and many share a commit (I2).
func TestQueue(t *testing.T) {
	t.Parallel()
	const jobs = 1000
	s := newStack(t)
	runs := s.publishAll(keys(jobs))
	w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
		queueEffect(job)
		return nil
	}), Config{})
	s.settled(jobs)
	s.acknowledged()
	s.wantOneEffectEach(runs...)
	s.wantCountersEqualRows(w)
	if n := s.count("select count(distinct xmin::text) from effects"); n > jobs/4 {
		t.Errorf("%d transactions for the effects of %d jobs", n, jobs)
	}
}

// What a handler does beside Queue decides whether its statements are carried out (I2).
func TestQueueAndHandler(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handle  func(ctx context.Context, job *Job[keyed]) error
		outcome oprun.Outcome
		effects int
	}{
		"an error of the handler's leaves nothing": {
			handle: func(_ context.Context, job *Job[keyed]) error {
				queueEffect(job)
				return errBoom
			},
			outcome: oprun.Failed,
		},
		"a panic of the handler's leaves nothing": {
			handle: func(_ context.Context, job *Job[keyed]) error {
				queueEffect(job)
				panic("after queue")
			},
			outcome: oprun.Failed,
		},
		"what is queued before a commit is carried out in it": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				queueEffect(job)
				return job.Commit(ctx, effectIn(ctx, job))
			},
			outcome: oprun.Succeeded, effects: 2,
		},
		"what is queued during a commit is carried out in it": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				return job.Commit(ctx, func(tx pgx.Tx) error {
					queueEffect(job)
					return effectIn(ctx, job)(tx)
				})
			},
			outcome: oprun.Succeeded, effects: 2,
		},
		"what is queued after a commit comes too late": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				if err := job.Commit(ctx, effectIn(ctx, job)); err != nil {
					return err
				}
				queueEffect(job)
				return nil
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"failures make the success a partial one": {
			handle: func(_ context.Context, job *Job[keyed]) error {
				queueEffect(job)
				job.Failure("part.failed", "one of two")
				return nil
			},
			outcome: oprun.PartiallySucceeded, effects: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			w := s.start(handling(test.handle), Config{})
			run := s.run(s.finished(`{"key":"a"}`))
			if run.Outcome != test.outcome {
				t.Errorf("the run ended as %s (%v), want %s", run.Outcome, run.FailureSummary, test.outcome)
			}
			if n := s.count("select count(*) from effects"); n != test.effects {
				t.Errorf("%d effects, want %d", n, test.effects)
			}
			s.wantCountersEqualRows(w)
		})
	}
}
