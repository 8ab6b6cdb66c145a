package oprun

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

func TestRequeue(t *testing.T) {
	t.Parallel()
	const input = `{"n": 1.0,  "big": 9007199254740993, "s": "\u0000", "a": 1, "a ": 2}`
	failures := []Failure{{Code: "handler.error", Message: "it broke", Count: 1}}
	scenes(t, map[string]func(s *scene){
		"a_failed_attempt_waits_for_its_delay_with_its_input": func(s *scene) {
			h := s.take(s.delivery("a"))
			same(s.t, "stands", Pending, s.requeue(Requeue{
				Hold: h, Delay: time.Hour, Input: []byte(input), Ended: AttemptTimedOut, Error: "too slow", Failures: failures,
			}))
			run := s.run(h.RunID)
			same(s.t, "status", "queued", run.Status)
			same(s.t, "due", *run.DueAt, run.RunAt)
			if left := time.Until(*run.DueAt); left < 59*time.Minute || left > time.Hour {
				s.t.Errorf("it is due in %s", left)
			}
			same(s.t, "publication", 1, run.DispatchNo)
			same(s.t, "failures of a run that goes on", nil, run.FailureSummary)
			same(s.t, "input, byte for byte", input, query[string](s, "select input::text from oprun.operation_runs"))
			attempts, err := s.Attempts(s.t.Context(), h.RunID)
			must(s.t, err)
			same(s.t, "attempt", Attempt{
				Attempt: 1, ClaimedBy: &s.who.Worker, Result: AttemptTimedOut, Error: "too slow", EndedAt: attempts[0].EndedAt,
			}, attempts[0])
		},
		"an_input_that_the_row_has_is_never_replaced": func(s *scene) {
			run := s.ensure("a")
			s.requeue(Requeue{Hold: s.take(s.naming(run)), Input: []byte(input), Ended: AttemptFailed})
			same(s.t, "input", `{"asked": "a"}`, query[string](s, "select input::text from oprun.operation_runs"))
		},
		"the_last_attempt_ends_its_run_with_its_failures": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			h := s.take(d)
			same(s.t, "stands", Failed, s.requeue(Requeue{Hold: h, Input: []byte(input), Ended: AttemptFailed, Failures: failures}))
			run := s.run(h.RunID)
			same(s.t, "failures", failures, run.FailureSummary)
			same(s.t, "status", "completed", run.Status)
			same(s.t, "attempts", []AttemptResult{AttemptFailed}, s.attempts(h.RunID))
			same(s.t, "next delivery", dedupe.Completed, s.claim(again(d))[0].Verdict)
		},
		"sent_again_it_answers_as_before_and_changes_nothing": func(s *scene) {
			h := s.take(s.delivery("a"))
			parked := Requeue{Hold: h, Delay: time.Hour, Ended: AttemptFailed}
			same(s.t, "stands", Pending, s.requeue(parked))
			before := s.run(h.RunID)
			same(s.t, "stands, when asked again", Pending, s.requeue(parked))
			same(s.t, "run", before, s.run(h.RunID))
			d := s.delivery("b")
			d.MaxAttempts = 1
			last := Requeue{Hold: s.take(d), Ended: AttemptFailed}
			same(s.t, "stands", Failed, s.requeue(last))
			same(s.t, "stands, when asked again", Failed, s.requeue(last))
		},
		"a_run_that_should_be_cancelled_ends_instead": func(s *scene) {
			failed, givenBack := s.take(s.delivery("a")), s.take(s.delivery("b"))
			s.exec("update oprun.operation_runs set cancel_requested_at = now()")
			same(s.t, "stands", Cancelled, s.requeue(Requeue{Hold: failed, Ended: AttemptFailed, Failures: failures}))
			same(s.t, "given back", Cancelled, s.requeue(Requeue{Hold: givenBack, GiveBack: true}))
			same(s.t, "failures", nil, s.run(failed.RunID).FailureSummary)
		},
		"giving_back_does_not_count_as_an_attempt": func(s *scene) {
			d := s.delivery("a")
			d.MaxAttempts = 1
			for attempt := 1; attempt <= 3; attempt++ {
				h := s.take(again(d))
				same(s.t, "attempt", attempt, h.Attempt)
				same(s.t, "stands", Pending, s.requeue(Requeue{Hold: h, GiveBack: true, Input: []byte(input)}))
				same(s.t, "max attempts", 1+attempt, s.run(d.RunID).MaxAttempts)
			}
			same(s.t, "attempts", nil, s.attempts(d.RunID))
			same(s.t, "stands", Failed, s.requeue(Requeue{Hold: s.take(again(d)), Ended: AttemptFailed}))
		},
		"a_late_requeue_is_fenced": func(s *scene) {
			d := s.delivery("a")
			late := s.take(d)
			s.takeOver(d)
			before := s.run(d.RunID)
			same(s.t, "stands", "", s.requeue(Requeue{Hold: late, Input: []byte(input), Ended: AttemptFailed}))
			same(s.t, "run", before, s.run(d.RunID))
			same(s.t, "attempts", []AttemptResult{AttemptAbandoned}, s.attempts(d.RunID))
		},
		"each_run_of_a_batch_stands_for_itself": func(s *scene) {
			last := s.delivery("last")
			last.MaxAttempts = 1
			a, b, c := s.take(s.delivery("a")), s.take(last), s.take(s.delivery("c"))
			stands, err := s.Requeue(s.t.Context(), []Requeue{
				{Hold: c, GiveBack: true}, {Hold: b, Ended: AttemptPanicked}, {Hold: a, Ended: AttemptFailed, Delay: time.Hour},
			})
			must(s.t, err)
			same(s.t, "stand", map[uuid.UUID]Outcome{a.RunID: Pending, b.RunID: Failed, c.RunID: Pending}, stands)
		},
		"no_attempts_are_nothing_to_requeue": func(s *scene) {
			stands, err := s.Requeue(s.t.Context(), nil)
			must(s.t, err)
			same(s.t, "stand", nil, stands)
		},
	})
}
