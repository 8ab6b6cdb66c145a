package oprun

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// crowd is a group of jobs, each with one effect, that the test changes before it is sent.
type crowd struct {
	*scene
	batch []Queued
}

// crowd claims n runs, and queues an effect for each.
func (s *scene) crowd(n int) *crowd {
	s.t.Helper()
	s.exec("create table if not exists effects (run_id uuid not null)")
	c := &crowd{scene: s}
	for i := range n {
		h := s.take(s.delivery(fmt.Sprint(i)))
		c.batch = append(c.batch, Queued{Result: succeeded(h), Statements: []Statement{effectOf(h)}})
	}
	return c
}

func effectOf(h Hold) Statement {
	return Statement{"insert into effects values ($1)", []any{h.RunID}}
}

// add queues one more statement of this job.
func (c *crowd) add(job int, sql string, args ...any) {
	c.batch[job].Statements = append(c.batch[job].Statements, Statement{sql, args})
}

// finish sends the group, and fails the test unless these are the fates of some of its jobs, each with one effect or
// none, and the others landed.
func (c *crowd) want(fates map[int]Fate) []Settled {
	c.t.Helper()
	settled, err := c.FinishQueued(c.t.Context(), c.batch)
	must(c.t, err)
	for i, s := range settled {
		want, special := fates[i]
		if !special {
			want = Landed
		}
		if s.Fate != want || (s.Err != nil) != (want == Refused) {
			c.t.Errorf("job %d: %s (%v), want %s", i, s.Fate, s.Err, want)
		}
		c.wantWhole(i, want == Landed)
	}
	return settled
}

// wantWhole fails the test unless the job's effect and its end are there, or neither is (I2).
func (c *crowd) wantWhole(job int, there bool) {
	c.t.Helper()
	n, outcome := 0, Pending
	if there {
		n, outcome = 1, Succeeded
	}
	id := c.batch[job].RunID
	same(c.t, fmt.Sprintf("effects of job %d", job), n, query[int](c.scene, "select count(*) from effects where run_id = $1", id))
	if there {
		same(c.t, "outcome", outcome, c.run(id).Outcome)
	}
}

// transactions counts those in which runs were ended. Effects may have been written in subtransactions.
func (c *crowd) transactions() int {
	c.t.Helper()
	return query[int](c.scene, "select count(distinct xmin::text) from oprun.operation_runs where completed_at is not null")
}

func TestFinishQueued(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"all_effects_and_all_ends_are_one_commit": func(s *scene) {
			c := s.crowd(100)
			c.want(nil)
			same(s.t, "transactions", 1, c.transactions())
			same(s.t, "effects and ends in one", 1, query[int](s, "select count(distinct r.xmin::text) from oprun.operation_runs r join effects e on e.run_id = r.id and e.xmin = r.xmin"))
		},
		"one_bad_statement_among_300_is_the_fault_of_its_job_alone": func(s *scene) {
			c := s.crowd(300)
			c.add(133, "select 1 / $1::int", 0)
			settled := c.want(map[int]Fate{133: Refused})
			same(s.t, "transactions", 1, c.transactions())
			if text := settled[133].Err.Error(); !strings.Contains(text, "queued statement 2") || !strings.Contains(text, "division by zero") {
				s.t.Errorf("its error is %q", text)
			}
		},
		"every_job_may_be_bad": func(s *scene) {
			c := s.crowd(60)
			fates := make(map[int]Fate)
			for i := range c.batch {
				c.add(i, "select 1 / $1::int", 0)
				fates[i] = Refused
			}
			c.want(fates)
		},
		"an_argument_that_cannot_be_encoded_is_the_fault_of_its_job_alone": func(s *scene) {
			c := s.crowd(100)
			c.add(3, "insert into effects values ($1)", struct{ what int }{1})
			c.add(4, "insert into effects values ($1)")
			c.add(5, "no statement")
			c.add(6, "insert into nowhere values (1)")
			c.want(map[int]Fate{3: Refused, 4: Refused, 5: Refused, 6: Refused})
			same(s.t, "transactions", 1, c.transactions())
		},
		"an_attempt_that_has_lost_its_run_leaves_no_effect": func(s *scene) {
			c := s.crowd(10)
			late := s.delivery("late")
			h := s.take(late)
			s.takeOver(late)
			c.batch = append(c.batch, Queued{succeeded(h), []Statement{effectOf(h)}})
			c.want(map[int]Fate{10: Fenced})
			same(s.t, "transactions", 1, c.transactions())
		},
		"a_fault_that_lies_in_the_effects_of_a_fenced_neighbour_is_nobodys": func(s *scene) {
			s.exec("create table names (name text primary key)")
			late := s.delivery("late")
			h := s.take(late)
			s.takeOver(late)
			c := s.crowd(10)
			c.batch = append([]Queued{{succeeded(h), []Statement{effectOf(h)}}}, c.batch...)
			c.add(0, "insert into names values ('ada')")
			c.add(5, "insert into names values ('ada')")
			c.add(6, "insert into names values ('ada')")
			c.want(map[int]Fate{0: Fenced, 6: Refused})
		},
		"two_attempts_of_one_run_are_judged_by_their_own_tokens": func(s *scene) {
			c := s.crowd(2)
			twice := s.delivery("twice")
			stale := s.take(twice)
			current := s.takeOver(twice)
			c.batch = append(c.batch, Queued{succeeded(current), []Statement{effectOf(current)}}, Queued{succeeded(stale), []Statement{effectOf(stale)}})
			settled, err := s.FinishQueued(s.t.Context(), c.batch)
			must(s.t, err)
			same(s.t, "fates", []Settled{{Landed, nil}, {Landed, nil}, {Landed, nil}, {Alone, nil}}, settled)
			if err := s.FinishAlone(s.t.Context(), c.batch[3], nil); !IsFenced(err) {
				s.t.Errorf("the stale attempt's end: %v, want it fenced", err)
			}
			c.wantWhole(2, true)
		},
		"a_constraint_that_commit_checks_is_the_fault_of_its_job_alone": func(s *scene) {
			s.exec("create table parents (id int primary key)")
			s.exec("create table children (parent int references parents deferrable initially deferred)")
			c := s.crowd(100)
			c.add(50, "insert into children values (7)")
			c.want(map[int]Fate{50: Refused})
			if n := c.transactions(); n > 3*parts {
				s.t.Errorf("%d transactions", n)
			}
		},
		"a_row_that_a_caller_has_locked_and_a_slow_statement_go_alone": func(s *scene) {
			s.exec("create table locked as select 1 as id")
			tx, err := s.pool.Begin(s.t.Context())
			must(s.t, err)
			defer func() { _ = tx.Rollback(s.t.Context()) }()
			_, err = tx.Exec(s.t.Context(), "select from locked for update")
			must(s.t, err)
			c := s.crowd(30)
			c.add(7, "update locked set id = 2")
			c.add(8, "select pg_sleep(60)")
			c.want(map[int]Fate{7: Alone, 8: Alone})
			alone := make(chan error, 1)
			go func() { alone <- s.FinishAlone(s.t.Context(), c.batch[7], nil) }()
			s.eventually("it waits", func() bool {
				return query[int](s, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == 1
			})
			must(s.t, tx.Rollback(s.t.Context()))
			must(s.t, <-alone)
			c.wantWhole(7, true)
		},
		"statements_that_are_all_somewhat_slow_share_commits_nonetheless": func(s *scene) {
			c := s.crowd(64) // together they take longer than partPatience
			for i := range c.batch {
				c.add(i, "select pg_sleep(0.1)")
			}
			settled, err := s.FinishQueued(s.t.Context(), c.batch)
			must(s.t, err)
			fates := make(map[Fate]int)
			for _, one := range settled {
				fates[one.Fate]++
			}
			if fates[Landed] < firstPart || fates[Landed]+fates[Later] != len(c.batch) {
				s.t.Errorf("fates are %v, want some landed and the others to come later", fates)
			}
		},
		"a_connection_that_is_not_to_be_had_is_no_jobs_fault": func(s *scene) {
			c := s.crowd(3)
			s.queued.Close()
			_, err := s.FinishQueued(s.t.Context(), c.batch)
			for what, err := range map[string]error{"a group": err, "one job": s.FinishAlone(s.t.Context(), c.batch[0], nil)} {
				if !Unavailable(err) || Broke(err) || !Unsent(err) {
					s.t.Errorf("%s is answered with %v", what, err)
				}
			}
			c.add(1, "set local role none") // whatever is known of others, these were not sent
			c.want(map[int]Fate{0: Later, 1: Alone, 2: Later})
		},
		"follow_ups_are_promoted_in_the_groups_transaction": func(s *scene) {
			c := s.crowd(3)
			owner, waiting := s.behind("followed", 3)
			c.batch = append(c.batch, Queued{succeeded(owner), []Statement{effectOf(owner)}})
			c.add(1, "select 1 / $1::int", 0) // so that there are savepoints
			c.want(map[int]Fate{1: Refused})
			same(s.t, "transactions of the end and the promotion", 1, query[int](s, "select count(distinct xmin::text) from oprun.operation_runs where id in ($1, $2)", owner.RunID, waiting))
			s.wantPromoted(waiting)
		},
	})
}

func TestNewStatement(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"insert into t values (1)", "  SELECT 1", "(select 1)", "-- name: X :exec\nupdate t set x = 1", "/* a /* nested */ one */ delete from t",
		"with x as (select 1) select * from x", "set local role x", "do $$ begin end $$",
	} {
		_, err := NewStatement(t.Context(), sql)
		must(t, err)
	}
	for _, sql := range []string{
		"", "  ", "-- nothing", "/* it never /* ends */ commit", "commit", "COMMIT", " rollback", "/* x */ begin", "--\nend", "abort",
		"start transaction", "savepoint job", "release savepoint job", "prepare transaction 'x'", "copy t from stdin", "listen x",
		"discard all", "deallocate all", "reset all", ";commit", "1",
	} {
		if _, err := NewStatement(t.Context(), sql); !errors.Is(err, ErrNotQueueable) {
			t.Errorf("%q: %v", sql, err)
		}
	}
	named := pgx.NamedArgs{"a": 1, "b": 2}
	if s, err := NewStatement(t.Context(), "select @b, @a", named); err != nil || s.SQL != "select $1, $2" {
		t.Errorf("with named arguments it is %q (%v)", s.SQL, err)
	}
	if _, err := NewStatement(t.Context(), "select @b, @c", pgx.StrictNamedArgs(named)); !errors.Is(err, ErrNotQueueable) {
		t.Errorf("without an argument: %v", err)
	}
	if err := (Statement{"select @a", []any{named}}).check(); !errors.Is(err, ErrNotQueueable) {
		t.Errorf("not put in its place: %v", err)
	}
}
