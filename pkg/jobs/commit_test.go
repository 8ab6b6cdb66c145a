package jobs

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/oprun"
)

// What a handler does with Commit cannot make effects without their run's success, nor success without the effects
// (I2).
func TestCommit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		handle  func(ctx context.Context, job *Job[keyed]) error
		outcome oprun.Outcome
		effects int
	}{
		"called twice is refused the second time": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				if err := job.Commit(ctx, effectIn(ctx, job)); err != nil {
					return err
				}
				if err := job.Commit(ctx, effectIn(ctx, job)); !errors.Is(err, ErrCommitted) {
					return Blocked("test.failed", "the second commit was not refused")
				}
				return nil
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"called twice at once happens once": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				var group sync.WaitGroup
				for range 2 {
					group.Go(func() { _ = job.Commit(ctx, effectIn(ctx, job)) })
				}
				group.Wait()
				return nil
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"makes an error of the handler's too late": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				return errors.Join(job.Commit(ctx, effectIn(ctx, job)), Permanent(errBoom))
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"makes a panic of the handler's too late": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				if err := job.Commit(ctx, effectIn(ctx, job)); err != nil {
					return err
				}
				panic("after the commit")
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"that fails and is made good has one effect": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				err := job.Commit(ctx, func(tx pgx.Tx) error { return errors.Join(effectIn(ctx, job)(tx), errBoom) })
				if !errors.Is(err, errBoom) {
					return Blocked("test.failed", "the error of fn was not returned")
				}
				return job.Commit(ctx, effectIn(ctx, job))
			},
			outcome: oprun.Succeeded, effects: 1,
		},
		"that fails is not forgiven by returning nil": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				_ = job.Commit(ctx, func(tx pgx.Tx) error { return errors.Join(effectIn(ctx, job)(tx), errBoom) })
				return nil
			},
			outcome: oprun.Failed,
		},
		"whose statement fails leaves nothing": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				return job.Commit(ctx, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "insert into effects values ($1, $2)", job.RunID, job.Attempt)
					_, _ = tx.Exec(ctx, "select 1/0") // and swallowed: the transaction is spoilt
					return err
				})
			},
			outcome: oprun.Failed,
		},
		"in which fn panics leaves nothing": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				return job.Commit(ctx, func(tx pgx.Tx) error {
					_ = effectIn(ctx, job)(tx)
					panic("in the transaction")
				})
			},
			outcome: oprun.Failed,
		},
		"whose fn ends the transaction itself is an error": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				return job.Commit(ctx, func(tx pgx.Tx) error { return tx.Rollback(ctx) })
			},
			outcome: oprun.Failed,
		},
		"whose fn ends the transaction by a statement is an error": {
			handle: func(ctx context.Context, job *Job[keyed]) error {
				return job.Commit(ctx, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "rollback")
					return errors.Join(effectIn(ctx, job)(tx), err)
				})
			},
			outcome: oprun.Failed, effects: 3, // outside of any transaction, at each attempt
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

// finished publishes one job and waits until its run has ended.
func (s *stack) finished(input string) uuid.UUID {
	s.t.Helper()
	id := s.publish(input)
	s.settled(1)
	s.acknowledged()
	return id
}
