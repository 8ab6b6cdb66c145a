package jobs

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/oprun"
)

// Success wins over a request for cancellation that comes meanwhile; whatever else becomes of the attempt, the run
// is cancelled.
func TestCancellation(t *testing.T) {
	t.Parallel()

	t.Run("loses against a success that comes first", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		w := s.start(handling(func(ctx context.Context, job *Job[keyed]) error {
			s.requestCancel(job.RunID)
			return writeEffect(ctx, job)
		}), Config{})
		run := s.finished(`{"key":"a"}`)
		s.wantOneEffectEach(run)
		s.wantCountersEqualRows(w)
	})

	for name, err := range map[string]error{
		"ends a run that fails meanwhile":   errBoom,
		"ends a run that snoozes meanwhile": Snooze(time.Hour),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			w := s.start(handling(func(_ context.Context, job *Job[keyed]) error {
				s.requestCancel(job.RunID)
				return err
			}), Config{})
			run := s.run(s.finished(`{"key":"a"}`))
			if run.Outcome != oprun.Cancelled || run.Attempt != 1 {
				t.Errorf("the run ended as %s in attempt %d, want cancelled in the first", run.Outcome, run.Attempt)
			}
			s.wantCountersEqualRows(w)
		})
	}

	t.Run("ends a queued run that nobody has begun", func(t *testing.T) {
		t.Parallel()
		s := newStack(t)
		run := s.dispatch("a")
		s.requestCancel(run)
		w := s.start(writing(), Config{})
		s.settled(1)
		s.acknowledged()
		if got := s.run(run); got.Outcome != oprun.Cancelled || got.Attempt != 0 {
			t.Errorf("the run ended as %s after %d attempts, want cancelled after none", got.Outcome, got.Attempt)
		}
		s.wantCountersEqualRows(w)
	})
}

func (s *stack) requestCancel(run uuid.UUID) {
	s.t.Helper()
	s.exec("update oprun.operation_runs set cancel_requested_at = now() where id = $1", run)
}
