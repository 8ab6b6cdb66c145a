package oprun

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// TestClaimOfAQueuedRun asks claim_queued.sql alone: it takes what is plainly queued, and nothing else.
func TestClaimOfAQueuedRun(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change string // of the run, $1
		takes  bool
	}{
		"takes_what_is_queued_and_due":             {"", true},
		"takes_a_retry":                            {"update oprun.operation_runs set attempt = 1, started_at = now() where id = $1", true},
		"leaves_what_is_for_later":                 {"update oprun.operation_runs set run_at = now() + interval '1 h' where id = $1", false},
		"leaves_what_is_to_be_cancelled":           {"update oprun.operation_runs set cancel_requested_at = now() where id = $1", false},
		"leaves_what_has_no_attempts_left":         {"update oprun.operation_runs set attempt = max_attempts where id = $1", false},
		"leaves_what_has_no_input":                 {"update oprun.operation_runs set input = null where id = $1", false},
		"leaves_what_is_parked":                    {"update oprun.operation_runs set due_at = 'infinity' where id = $1", false},
		"leaves_a_follow_up":                       {"update oprun.operation_runs set follow_up = true where id = $1", false},
		"leaves_what_is_of_another_type":           {"update oprun.operation_runs set type = 'other' where id = $1", false},
		"leaves_what_is_anothers":                  {"update oprun.operation_runs set tenant_id = null where id = $1", false},
		"leaves_what_waits_for_a_suspended_tenant": {"update oprun.tenants set status = 'suspended' where $1::uuid is not null", false},
		"leaves_what_runs_though_its_lease_is_over": {`update oprun.operation_runs set status = 'running', attempt = 1,
			claim_token = gen_random_uuid(), lease_expires_at = now() - interval '1 h' where id = $1`, false},
		"leaves_what_has_ended": {`update oprun.operation_runs set status = 'completed', outcome = 'succeeded', completed_at = now(),
			due_at = null where id = $1`, false},
	}
	scenes(t, func() map[string]func(s *scene) {
		stories := make(map[string]func(s *scene), len(tests))
		for name, test := range tests {
			stories[name] = func(s *scene) {
				d := s.naming(s.ensure("a"))
				if test.change != "" {
					s.exec(test.change, d.RunID)
				}
				same(s.t, "taken", test.takes, len(s.takeQueued(d)) == 1)
			}
		}
		return stories
	}())
}

// takeQueued sends claim_queued.sql.
func (s *scene) takeQueued(batch ...Delivery) map[rawID]Answer {
	s.t.Helper()
	c := claim{ledger: s.Ledger, who: s.who, batch: batch, answers: make([]Answer, len(batch))}
	rows, err := s.db.Query(s.t.Context(), claimQueuedSQL, c.queuedArgs(c.single())...)
	must(s.t, err)
	taken, err := readTaken(rows, len(batch))
	must(s.t, err)
	return taken
}

func TestClaimOfQueuedRuns(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"a_claim_that_is_sent_again_is_the_same_claim": func(s *scene) {
			first, second := s.naming(s.ensure("a")), s.naming(s.ensure("b"))
			want := s.claim(first, second)
			same(s.t, "verdicts", []string{"execute", "execute"}, verdicts(want))
			same(s.t, "answers", want, s.claim(first, second))
			same(s.t, "with a token of its own", []string{"busy", "busy"}, verdicts(s.claim(again(first), again(second))))
		},
		"what_a_caller_has_joined_in_an_open_transaction_holds_up_nobody_else": func(s *scene) {
			joined, free := s.naming(s.ensure("a")), s.naming(s.ensure("b"))
			tx := s.open()
			_, _, err := s.On(tx).Ensure(s.t.Context(), s.request("a"))
			must(s.t, err)
			same(s.t, "answers", []string{"busy", "execute"}, verdicts(s.claim(joined, free)))
			must(s.t, tx.Commit(s.t.Context()))
			same(s.t, "after the commit", dedupe.Execute, s.claim(again(joined))[0].Verdict)
		},
		"the_next_look_stays_where_it_was_unless_the_lease_ends_before_the_redelivery": func(s *scene) {
			long, short := s.naming(s.ensure("a")), s.naming(s.ensure("b"))
			s.exec("update oprun.operation_runs set due_at = now() + interval '10 s'")
			long.Lease, short.Lease = time.Minute, s.who.AckWait/4
			s.claim(long, short)
			same(s.t, "looks", []time.Duration{10 * time.Second, 0}, []time.Duration{s.dueIn(long.RunID), s.dueIn(short.RunID)})
		},
		"a_claim_is_a_HOT_update": func(s *scene) {
			d := s.naming(s.ensure("a"))
			id := query[uuid.UUID](s, "select id from oprun.operation_runs")
			must(s.t, pgx.BeginFunc(s.t.Context(), s.db, func(tx pgx.Tx) error {
				c := claim{ledger: s.Ledger, who: s.who, batch: []Delivery{d}, answers: make([]Answer, 1)}
				if _, err := tx.Exec(s.t.Context(), claimQueuedSQL, c.queuedArgs([]int{0})...); err != nil {
					return err
				}
				var updates, hot int
				err := tx.QueryRow(s.t.Context(), "select n_tup_upd, n_tup_hot_upd from pg_stat_xact_user_tables where relname = 'operation_runs'").Scan(&updates, &hot)
				same(s.t, "updates of "+id.String()+", and HOT ones", []int{1, 1}, []int{updates, hot})
				return err
			}))
		},
	})
}
