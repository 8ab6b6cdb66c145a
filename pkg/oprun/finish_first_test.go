package oprun

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// finish_first.sql writes what finish.sql would have written, and leaves what finish.sql would have left.
func TestFinishFirst(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"writes_the_row_that_finish_writes": func(s *scene) {
			for name, end := range map[string]Result{
				"bare":      {Outcome: Succeeded, Ended: AttemptSucceeded},
				"counted":   {Outcome: Succeeded, Ended: AttemptSucceeded, Counts: map[string]int64{"total": 3}},
				"partially": {Outcome: PartiallySucceeded, Ended: AttemptSucceeded, Failures: []Failure{{Code: "a.b", Message: "c", Count: 2}}},
				"cooling":   {Outcome: Succeeded, Ended: AttemptSucceeded, Cooldown: time.Hour},
				"not cool":  {Outcome: PartiallySucceeded, Ended: AttemptSucceeded, Cooldown: time.Hour},
			} {
				first, general := end, end
				first.Hold, general.Hold = s.take(s.delivery(name+"/first")), s.take(s.delivery(name+"/general"))
				if !first.plain() {
					s.t.Fatalf("%s is not for finish_first.sql", name)
				}
				done, err := s.Finish(s.t.Context(), []Result{first})
				must(s.t, err)
				args, err := finishArgs([]Result{general})
				must(s.t, err)
				s.exec(finishSQL, args...)
				const written = `select (to_jsonb(r) - '{id,run_identity_hash,created_at,run_at,origin_time,started_at,updated_at,completed_at,cooldown_until}'::text[])::text ||
  (r.cooldown_until > now() + interval '59 minutes')::text || (r.completed_at between now() - interval '1 minute' and now())::text
from oprun.operation_runs r where r.id = $1`
				same(s.t, name, query[*string](s, written, general.RunID), query[*string](s, written, first.RunID))
				same(s.t, name+" is done", true, done[first.RunID])
				same(s.t, "attempts of "+name, s.attempts(general.RunID), s.attempts(first.RunID))
			}
		},
		"leaves_runs_of_others": func(s *scene) {
			late := s.delivery("a")
			lost := s.take(late)
			holder := s.takeOver(late)
			done, err := s.Finish(s.t.Context(), []Result{succeeded(lost)})
			must(s.t, err)
			same(s.t, "finished", 0, len(done))
			same(s.t, "attempt that holds the run", holder.Attempt, s.run(lost.RunID).Attempt)
			same(s.t, "status", "running", string(s.run(lost.RunID).Status))
		},
		"goes_through_its_rows_in_order": func(s *scene) {
			must(s.t, pgx.BeginFunc(s.t.Context(), s.db, func(tx pgx.Tx) error {
				root, err := explained(s, tx, "finish_first")
				if err != nil {
					return err
				}
				loop := root.Plans[0]
				if loop.Type != "Nested Loop" || !loop.Plans[0].has("Sort") {
					s.t.Errorf("the rows are not looked up one by one in the order of their ids: %+v", root)
				}
				return nil
			}))
		},
	})
}

// has tells whether a plan begins with a step of this type, beneath what only passes rows on.
func (n node) has(step string) bool {
	return n.Type == step || n.Type == "Subquery Scan" && n.Plans[0].has(step)
}
