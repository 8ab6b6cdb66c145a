package oprun

import (
	"errors"
	"strings"
	"testing"
)

func TestFinishAlone(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"effects_and_end_are_one_commit": func(s *scene) {
			c := s.crowd(1)
			must(s.t, s.FinishAlone(s.t.Context(), c.batch[0], nil))
			c.wantWhole(0, true)
		},
		"a_statement_that_fails_leaves_nothing_and_says_which_it_is": func(s *scene) {
			c := s.crowd(1)
			c.add(0, "select 1 / $1::int", 0)
			err := s.FinishAlone(s.t.Context(), c.batch[0], nil)
			var own *StatementError
			if !errors.As(err, &own) || own.Number != 2 || Unavailable(err) || IsFenced(err) {
				s.t.Errorf("its error is %v", err)
			}
			c.wantWhole(0, false)
		},
		"a_limit_of_the_callers_own_is_the_statements_error": func(s *scene) {
			c := s.crowd(1)
			c.add(0, "set local statement_timeout = 1")
			c.add(0, "select pg_sleep(60)")
			if err := s.FinishAlone(s.t.Context(), c.batch[0], nil); Unavailable(err) || !strings.Contains(err.Error(), "queued statement 3") {
				s.t.Errorf("its error is %v", err)
			}
			c.wantWhole(0, false)
		},
		"an_attempt_that_has_lost_its_run_leaves_no_effect": func(s *scene) {
			s.effects()
			late := s.delivery("late")
			h := s.take(late)
			s.takeOver(late)
			if err := s.FinishAlone(s.t.Context(), Queued{succeeded(h), []Statement{effectOf(h)}}, nil); !IsFenced(err) {
				s.t.Errorf("its error is %v", err)
			}
			same(s.t, "effects", 0, query[int](s, "select count(*) from effects"))
		},
		"a_process_that_is_not_heard_of_keeps_no_lock": func(s *scene) {
			c := s.crowd(1)
			s.exec("create table locked as select 1 as id")
			c.add(0, "update locked set id = 2")
			frozen := func() {
				s.eventually("the lock to be given up", func() bool {
					_, err := s.pool.Exec(s.t.Context(), "select from locked for update nowait")
					return err == nil
				})
			}
			if err := s.FinishAlone(s.t.Context(), c.batch[0], frozen); !Unavailable(err) || Unsent(err) {
				s.t.Errorf("its error is %v", err)
			}
			c.wantWhole(0, false)
		},
		"settings_do_not_outlive_it": func(s *scene) {
			c := s.crowd(2)
			c.batch[0].Statements = append(c.batch[0].Statements, Statement{"select set_config('oprun.mine', 'kept', false)", nil})
			must(s.t, s.FinishAlone(s.t.Context(), c.batch[0], nil))
			s.exec("create table seen (setting text)")
			c.add(1, "insert into seen values (nullif(current_setting('oprun.mine', true), ''))")
			must(s.t, s.FinishAlone(s.t.Context(), c.batch[1], nil))
			same(s.t, "settings seen", 0, query[int](s, "select count(setting) from seen"))
		},
	})
}
