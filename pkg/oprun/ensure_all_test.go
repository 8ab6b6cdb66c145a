package oprun

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"oprun.example/pkg/dedupe"
)

// requests asks for these identities, in this order.
func (s *scene) requests(names ...string) []Request {
	list := make([]Request, len(names))
	for i, name := range names {
		list[i] = s.request(name)
	}
	return list
}

func (s *scene) ensureAll(requests []Request) []Ensured {
	s.t.Helper()
	answers, err := s.EnsureAll(s.t.Context(), requests)
	must(s.t, err)
	return answers
}

// numbered are the names of so many identities.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	return names
}

func created(answers []Ensured) (list []bool) {
	for _, a := range answers {
		list = append(list, a.Created)
	}
	return list
}

func TestEnsureAll(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"each_answer_stands_where_its_request_does": func(s *scene) {
			requests := s.requests(numbered(3*maxEnsure + 1)...)
			requests[7].MaxAttempts, requests[8].InitiatorName, requests[9].InitiatorID = 9, "", uuid.New()
			answers := s.ensureAll(requests)
			same(s.t, "created", slices.Repeat([]bool{true}, len(requests)), created(answers))
			for i, a := range answers {
				same(s.t, "identity", fmt.Sprintf("%x", requests[i].Identity.Hash), a.Run.IdentityHash)
			}
			same(s.t, "run", s.run(answers[9].Run.ID), answers[9].Run)
			same(s.t, "what was said", []any{9, "system", requests[9].InitiatorID},
				[]any{answers[7].Run.MaxAttempts, answers[8].Run.InitiatorName, *answers[9].Run.InitiatorID})
			same(s.t, "inputs", len(requests), query[int](s, "select count(distinct input::text) from oprun.operation_runs"))
		},
		"the_second_of_two_that_are_the_same_joins_the_first": func(s *scene) {
			requests := s.requests("a", "b", "a")
			requests[2].Input = []byte(`{"second": true}`)
			answers := s.ensureAll(requests)
			same(s.t, "created", []bool{true, true, false}, created(answers))
			same(s.t, "run", answers[0].Run, answers[2].Run)
			same(s.t, "input", `{"asked": "a"}`, query[string](s, "select input::text from oprun.operation_runs where id = $1", answers[0].Run.ID))
		},
		"two_of_one_id_are_one_request": func(s *scene) {
			requests := s.requests("a", "a")
			requests[0].ID = newID(s.t)
			requests[1].ID = requests[0].ID
			answers := s.ensureAll(requests)
			same(s.t, "created", []bool{true, false}, created(answers))
			same(s.t, "run", requests[0].ID, answers[1].Run.ID)
			same(s.t, "asked again", []bool{false, false}, created(s.ensureAll(requests)))
			same(s.t, "deliveries", 0, query[int](s, "select count(*) from oprun.operation_run_deliveries"))
		},
		"what_is_taken_is_joined_and_the_rest_is_made": func(s *scene) {
			queued, runs := s.ensure("queued"), s.take(s.delivery("runs"))
			answers := s.ensureAll(s.requests("new", "queued", "runs"))
			same(s.t, "created", []bool{true, false, false}, created(answers))
			same(s.t, "runs", []uuid.UUID{queued.ID, runs.RunID}, []uuid.UUID{answers[1].Run.ID, answers[2].Run.ID})
			follows := s.requests("runs", "runs")
			follows[0].Follows, follows[1].Follows = true, true
			behind := s.ensureAll(follows)
			same(s.t, "one follow-up for both", []any{[]bool{true, false}, true, behind[0].Run.ID},
				[]any{created(behind), behind[0].Run.FollowUp, behind[1].Run.ID})
		},
		"once_and_cooldowns_are_kept": func(s *scene) {
			requests := s.requests("once", "cools")
			requests[0].Once, requests[1].Cools = true, true
			first := s.ensureAll(requests)
			for _, a := range first {
				h := s.take(s.naming(a.Run))
				s.finish(h)
			}
			s.exec("update oprun.operation_runs set cooldown_until = now() + interval '1 h' where not once")
			again := s.ensureAll(requests)
			same(s.t, "created", []bool{false, false}, created(again))
			same(s.t, "runs", []uuid.UUID{first[0].Run.ID, first[1].Run.ID}, []uuid.UUID{again[0].Run.ID, again[1].Run.ID})
		},
		"one_that_is_refused_leaves_nothing_of_the_others": func(s *scene) {
			unknown, old := s.requests("a", "b"), s.requests("a", "b")
			unknown[1].Identity.Scope = dedupe.Tenant(uuid.New())
			s.exec("update oprun.retention_horizon set floor = 'ffffffff-0000-0000-0000-000000000000'")
			old[1].ID = newID(s.t)
			for want, requests := range map[error][]Request{ErrScopeUnknown: unknown, ErrOlderThanRetention: old} {
				if answers, err := s.EnsureAll(s.t.Context(), requests); !errors.Is(err, want) || answers != nil {
					s.t.Errorf("got %v, %v; want %v", answers, err, want)
				}
			}
			same(s.t, "runs", 0, query[int](s, "select count(*) from oprun.operation_runs"))
			same(s.t, "no id, no age", []bool{true, true}, created(s.ensureAll(s.requests("a", "b"))))
		},
		"none_is_none": func(s *scene) { same(s.t, "answers", []Ensured{}, s.ensureAll(nil)) },
		"callers_who_name_the_same_in_other_orders_do_not_block_each_other": func(s *scene) {
			requests := s.requests(numbered(2 * maxEnsure)...)
			answers := make([][]Ensured, 4)
			group, ctx := errgroup.WithContext(s.t.Context())
			for caller := range answers {
				mine := slices.Concat(requests[caller*200:], requests[:caller*200])
				group.Go(func() (err error) {
					answers[caller], err = s.EnsureAll(ctx, mine)
					return err
				})
			}
			must(s.t, group.Wait())
			made := 0
			for _, a := range slices.Concat(answers...) {
				if a.Created {
					made++
				}
			}
			same(s.t, "created", len(requests), made)
		},
	})
}

// TestEnsureInASessionOfAnotherKind has callers' pools whose settings are not the usual.
func TestEnsureInASessionOfAnotherKind(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*pgxpool.Config){
		"serializable": func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["default_transaction_isolation"] = "serializable" },
		"exec":         func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec },
		"describes":    func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe },
		"simple":       func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			config := s.pool.Config()
			change(config)
			pool, err := pgxpool.NewWithConfig(t.Context(), config)
			must(t, err)
			t.Cleanup(pool.Close)
			other := openLedger(t, pool)
			group, ctx := errgroup.WithContext(t.Context())
			for range 8 {
				group.Go(func() error {
					for n := range 20 {
						if _, _, err := other.Ensure(ctx, s.request(fmt.Sprint(n))); err != nil {
							return err
						}
					}
					_, err := other.EnsureAll(ctx, s.requests(numbered(40)...))
					return err
				})
			}
			must(t, group.Wait())
			same(t, "runs", 40, query[int](s, "select count(*) from oprun.operation_runs"))
		})
	}
}

// A plan for each single request would cost more than the request.
func TestEnsureKeepsItsPlans(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	conn, err := s.pool.Acquire(t.Context())
	must(t, err)
	defer conn.Release()
	for n := range 12 {
		must(t, pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			_, made, err := s.On(tx).Ensure(t.Context(), s.request(fmt.Sprint(n)))
			same(t, "created", true, made)
			return err
		}))
	}
	rows, err := conn.Query(t.Context(), `select custom_plans || ' ' || generic_plans from pg_prepared_statements
		where statement like any (array['-- Decides: which of these requests create%', '-- Answers: runs, without their inputs%'])`)
	must(t, err)
	plans, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(t, err)
	same(t, "plans made for one execution, and uses of the one that is kept", []string{"5 7", "5 7"}, plans)
}
