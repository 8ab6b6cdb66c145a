package oprun

import (
	"errors"
	"testing"
	"time"
)

// finish_one.sql writes what finish.sql would have written, and leaves what finish.sql would have left.
func TestFinishOne(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"writes_the_row_that_finish_writes": func(s *scene) {
			s.effects()
			for name, end := range map[string]Result{
				"bare":      {Outcome: Succeeded, Ended: AttemptSucceeded},
				"counted":   {Outcome: Succeeded, Ended: AttemptSucceeded, Counts: map[string]int64{"total": 3}},
				"partially": {Outcome: PartiallySucceeded, Ended: AttemptSucceeded, Failures: []Failure{{Code: "a.b", Message: "c", Count: 2}}},
				"cooling":   {Outcome: Succeeded, Ended: AttemptSucceeded, Cooldown: time.Hour},
				"not cool":  {Outcome: PartiallySucceeded, Ended: AttemptSucceeded, Cooldown: time.Hour},
			} {
				one, general := end, end
				one.Hold, general.Hold = s.take(s.delivery(name+"/one")), s.take(s.delivery(name+"/general"))
				if sql, _, err := finishing(one); err != nil || sql != finishOneSQL {
					s.t.Fatalf("%s is not for finish_one.sql: %v", name, err)
				}
				must(s.t, s.commit(one))
				args, err := finishArgs([]Result{general})
				must(s.t, err)
				s.exec(finishSQL, args...)
				const written = `select (to_jsonb(r) - '{id,run_identity_hash,created_at,run_at,origin_time,started_at,updated_at,completed_at,cooldown_until}'::text[])::text ||
  (r.cooldown_until > now() + interval '59 minutes')::text || (r.completed_at between now() - interval '1 minute' and now())::text
from oprun.operation_runs r where r.id = $1`
				same(s.t, name, query[*string](s, written, general.RunID), query[*string](s, written, one.RunID))
				same(s.t, "attempts of "+name, s.attempts(general.RunID), s.attempts(one.RunID))
			}
		},
		"leaves_runs_of_others": func(s *scene) {
			s.effects()
			late := s.delivery("a")
			lost := s.take(late)
			holder := s.takeOver(late)
			if err := s.commit(succeeded(lost)); !errors.Is(err, ErrFenced) {
				s.t.Errorf("the late commit: %v", err)
			}
			same(s.t, "attempt that holds the run", holder.Attempt, s.run(lost.RunID).Attempt)
			same(s.t, "status", "running", s.run(lost.RunID).Status)
		},
	})
}
