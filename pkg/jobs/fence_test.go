package jobs

import (
	"syscall"
	"testing"

	"oprun.example/pkg/oprun"
)

// A worker process is frozen (SIGSTOP) until its lease has ended and another has done its job. What it still does
// when it wakes up is refused and rolled back (I2, I9).
func TestFrozenWorker(t *testing.T) {
	t.Parallel()

	for story, where := range map[string]string{
		"halt in the handler":     "in the handler",
		"halt in the transaction": "in the transaction",
	} {
		t.Run("that wakes up "+where+" is fenced", func(t *testing.T) {
			t.Parallel()
			s := newPortStack(t, nil)
			c := s.process(story)
			run := s.publish(`{"key":"a"}`)
			c.is(where)
			c.signal(syscall.SIGSTOP)
			s.takeOver(run)

			c.signal(syscall.SIGCONT)
			c.goOn()
			s.eventually("the late finish to be recorded", func() bool {
				return s.count("select count(*) from oprun.operation_run_attempts where result = 'fenced'") > 0
			})
			wantAttempts(t, s.attempts(run), oprun.AttemptFenced, oprun.AttemptSucceeded)
			s.wantOneEffectEach(run)
			if got := s.run(run); got.Attempt != 2 {
				t.Errorf("the run ended in attempt %d, want 2", got.Attempt)
			}
		})
	}
}
