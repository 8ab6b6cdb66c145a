package oprun

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
	"oprun.example/pkg/dedupe"
)

// Every statement of a shadow's ledger speaks of the shadow alone: all can be prepared where there is no other schema.
func TestStatementsElsewhere(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), devstack.Database(t))
	must(t, err)
	t.Cleanup(func() { must(t, conn.Close(t.Context())) })
	const schema = shadowPrefix + "other"
	must(t, migrations.MakeShadow(t.Context(), conn, schema))
	_, err = conn.Exec(t.Context(), "drop schema oprun cascade")
	must(t, err)
	texts, err := elsewhere(schema)
	must(t, err)
	own, err := fs.Glob(sqlFiles, "sql/shadow/*.sql")
	must(t, err)
	if want := len(statementNames(t)) + len(own) + 2; len(texts) != want || len(own) == 0 {
		t.Errorf("%d statements are known in another schema, want %d", len(texts), want)
	}
	for text, there := range texts {
		if strings.Contains(there, "oprun.") || strings.Contains(text, "oprun.") == (text == there) {
			t.Errorf("not all of it speaks of another schema:\n%s", there)
		}
		if _, err := conn.Prepare(t.Context(), there, there); err != nil {
			t.Errorf("cannot be prepared in another schema: %v\n%s", err, there)
		}
	}
}

// newShadow is a shadow of the scene's ledger.
func (s *scene) newShadow(name string) *Shadow {
	s.t.Helper()
	shadow, err := s.MakeShadow(s.t.Context(), name, "a test")
	must(s.t, err)
	s.t.Cleanup(shadow.Close)
	return shadow
}

// takeIn claims a delivery in the shadow.
func (s *scene) takeIn(shadow *Shadow, d Delivery) Hold {
	s.t.Helper()
	answer, err := shadow.Claim(s.t.Context(), s.who, d)
	must(s.t, err)
	if answer.Verdict != dedupe.Execute {
		s.t.Fatalf("the claim was answered with %s", answer.Verdict)
	}
	return hold(d, answer)
}

func TestShadowsEffects(t *testing.T) {
	t.Parallel()
	const write = "insert into effects values ($1)"
	scenes(t, map[string]func(s *scene){
		"are_taken_back_and_the_run_ends_in_the_shadow": func(s *scene) {
			s.exec("create table effects (run_id uuid)")
			shadow := s.newShadow("one")
			h := s.takeIn(shadow, s.delivery("a"))
			tx, err := shadow.Begin(s.t.Context())
			must(s.t, err)
			_, err = tx.Exec(s.t.Context(), write, h.RunID)
			must(s.t, err)
			must(s.t, tx.Land(s.t.Context(), succeeded(h)))
			same(s.t, "effects", 0, query[int](s, "select count(*) from effects"))
			same(s.t, "outcome", "succeeded", query[string](s, "select outcome from oprun_shadow_one.operation_runs where id = $1", h.RunID))
			same(s.t, "the ledger's runs", 0, query[int](s, "select count(*) from oprun.operation_runs"))
			same(s.t, "connections in use", 0, s.pool.Stat().AcquiredConns())
		},
		"cannot_be_committed_by_any_means": func(s *scene) {
			s.exec("create table effects (run_id uuid)")
			shadow := s.newShadow("one")
			for name, commit := range map[string]func(tx *Effects) error{
				"Commit": func(tx *Effects) error { return tx.Commit(s.t.Context()) },
				"SQL": func(tx *Effects) error {
					_, err := tx.Exec(s.t.Context(), "commit")
					return err
				},
				"conn": func(tx *Effects) error {
					_, err := tx.Conn().Exec(s.t.Context(), "commit")
					return err
				},
			} {
				tx, err := shadow.Begin(s.t.Context())
				must(s.t, err)
				_, err = tx.Exec(s.t.Context(), write, uuid.New())
				must(s.t, err)
				if err := commit(tx); err == nil || !strings.Contains(err.Error(), "a_shadow_commits_nothing") {
					s.t.Errorf("%s: %v", name, err)
				}
				_ = tx.Rollback(s.t.Context())
			}
			same(s.t, "effects", 0, query[int](s, "select count(*) from effects"))
		},
		"that_a_commit_would_refuse_are_refused": func(s *scene) {
			s.exec("create table effects (run_id uuid not null, unique (run_id) deferrable initially deferred)")
			shadow := s.newShadow("one")
			h := s.takeIn(shadow, s.delivery("a"))
			s.exec(write, h.RunID)
			tx, err := shadow.Begin(s.t.Context())
			must(s.t, err)
			_, err = tx.Exec(s.t.Context(), write, h.RunID)
			must(s.t, err)
			if err := tx.Land(s.t.Context(), succeeded(h)); !hasCode(err, uniqueViolation) {
				s.t.Errorf("the end: %v", err)
			}
			same(s.t, "outcome", "pending", query[string](s, "select outcome from oprun_shadow_one.operation_runs"))
			same(s.t, "connections in use", 0, s.pool.Stat().AcquiredConns())
		},
	})
}

func TestShadows(t *testing.T) {
	t.Parallel()
	scenes(t, map[string]func(s *scene){
		"are_made_listed_and_dropped": func(s *scene) {
			s.exec("update oprun.tenants set status = 'suspended'")
			s.newShadow("one")
			s.newShadow("a_2")
			names, err := s.Shadows(s.t.Context())
			must(s.t, err)
			same(s.t, "names", []string{"a_2", "one"}, names)
			same(s.t, "tenants", s.tenant.ExternalID.String()+" active", query[string](s, "select external_id || ' ' || status from oprun_shadow_one.tenants"))
			if _, err := s.MakeShadow(s.t.Context(), "one", ""); !errors.Is(err, ErrShadowExists) {
				s.t.Errorf("a second of the name: %v", err)
			}
			must(s.t, s.DropShadow(s.t.Context(), "one"))
			if err := s.DropShadow(s.t.Context(), "one"); !errors.Is(err, ErrNoShadow) {
				s.t.Errorf("dropped twice: %v", err)
			}
			if _, err := s.OpenShadow(s.t.Context(), "one"); !errors.Is(err, ErrNoShadow) {
				s.t.Errorf("opened when dropped: %v", err)
			}
			same(s.t, "tenants of the ledger", 1, query[int](s, "select count(*) from oprun.tenants"))
		},
		"have_names_of_their_own": func(s *scene) {
			for _, name := range []string{"", "A", "1a", "a-b", "a b", "ä", `x"; drop schema oprun`, strings.Repeat("a", 32)} {
				_, made := s.MakeShadow(s.t.Context(), name, "")
				_, opened := s.OpenShadow(s.t.Context(), name)
				if made == nil || opened == nil || s.DropShadow(s.t.Context(), name) == nil {
					s.t.Errorf("%q is taken for the name of a shadow", name)
				}
			}
			s.newShadow(strings.Repeat("a", 31))
		},
		"want_the_right_to_create_schemas": func(s *scene) {
			config := s.pool.Config()
			config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
				_, err := conn.Exec(ctx, "set role pg_read_all_data")
				return err
			}
			pool, err := pgxpool.NewWithConfig(s.t.Context(), config)
			must(s.t, err)
			s.t.Cleanup(pool.Close)
			if _, err := openLedger(s.t, pool).MakeShadow(s.t.Context(), "one", ""); !errors.Is(err, ErrMayNotShadow) {
				s.t.Errorf("made without the right: %v", err)
			}
		},
		"of_another_version_are_refused": func(s *scene) {
			s.newShadow("one")
			s.exec("insert into oprun_shadow_one.schema_migrations (version, name) values (99, 'later')")
			if _, err := s.OpenShadow(s.t.Context(), "one"); err == nil || !strings.Contains(err.Error(), "drop it, and make it again") {
				s.t.Errorf("opened: %v", err)
			}
		},
	})
}

// played plays a run of the ledger again in the shadow, with this end.
func (s *scene) played(shadow *Shadow, d Delivery, result func(Hold) Result, change func(*ShadowNote)) {
	s.t.Helper()
	must(s.t, shadow.Finish(s.t.Context(), result(s.takeIn(shadow, again(d)))))
	note := ShadowNote{
		Place: Place{d.RunID, "JOBS", d.Seq, d.StoredAt}, Scope: d.Identity.Scope, Type: d.Identity.Type, Verdict: dedupe.Execute,
	}
	if change != nil {
		change(&note)
	}
	must(s.t, shadow.Note(s.t.Context(), []ShadowNote{note}))
}

// diff is the comparison, with the total of the one type.
func (s *scene) diff(shadow *Shadow) (ShadowReport, ShadowTotal) {
	s.t.Helper()
	report, err := shadow.Diff(s.t.Context(), 10)
	must(s.t, err)
	if len(report.Totals) != 1 || report.Totals[0].Different != report.Different {
		s.t.Fatalf("%+v", report)
	}
	return report, report.Totals[0]
}

func TestShadowDiff(t *testing.T) {
	t.Parallel()
	leaves := func(want LeftOut, story func(s *scene, d Delivery)) func(s *scene) {
		return func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			story(s, d)
			s.played(shadow, d, succeeded, nil)
			report, total := s.diff(shadow)
			same(s.t, "left out", map[LeftOut]int{want: 1}, total.LeftOut)
			if report.Different != 0 || total.Outcomes != 0 {
				s.t.Errorf("%+v", report)
			}
		}
	}
	scenes(t, map[string]func(s *scene){
		"leaves_out_what_the_ledger_does_not_have": leaves(NotInLedger, func(*scene, Delivery) {}),
		"leaves_out_what_still_runs":               leaves(StillActive, func(s *scene, d Delivery) { s.take(d) }),
		"leaves_out_what_people_have_cancelled": leaves(EndedByPeople, func(s *scene, d Delivery) {
			h := s.take(d)
			s.exec("update oprun.operation_runs set cancel_requested_at = now()")
			_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Cancelled, Ended: AttemptCancelled, Cause: ByOperator}})
			must(s.t, err)
		}),
		"leaves_out_what_crashed": leaves(EndedByLedger, func(s *scene, d Delivery) {
			h := s.take(d)
			_, err := s.Finish(s.t.Context(), []Result{{Hold: h, Outcome: Failed, Ended: AttemptFailed, Failures: []Failure{{Code: "run.crash_loop"}}}})
			must(s.t, err)
		}),
		"leaves_out_what_housekeeping_ended": leaves(EndedByLedger, func(s *scene, d Delivery) {
			s.finish(s.take(d))
			s.exec(`update oprun.operation_runs set context = '{"reconciliation": {}}'`)
		}),
		"leaves_out_what_the_shadow_does_not_run": func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			s.finish(s.take(d))
			s.played(shadow, d, succeeded, func(n *ShadowNote) { n.LeftOut = ShadowRefused })
			_, total := s.diff(shadow)
			same(s.t, "total", ShadowTotal{Type: jobType, Verdicts: 1, LeftOut: map[LeftOut]int{ShadowRefused: 1}}, total)
		},
		"tells_outcomes_counts_and_codes": func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			s.finish(s.take(d))
			s.played(shadow, d, func(h Hold) Result {
				return Result{
					Hold: h, Outcome: Failed, Ended: AttemptFailed, Error: "out of stock", Counts: map[string]int64{"created": 2},
					Failures: []Failure{{Code: "shop.empty", Count: 3}, {Code: "shop.empty", Message: "again"}},
				}
			}, nil)
			report, total := s.diff(shadow)
			same(s.t, "total", ShadowTotal{Type: jobType, Verdicts: 1, Outcomes: 1, Different: 1}, total)
			same(s.t, "what", []string{"outcome", "counts", "failures"}, report.Differences[0].What)
			same(s.t, "the shadow's end", ShadowEnd{
				Verdict: "execute", Outcome: Failed, Counts: map[string]int64{"created": 2}, Failures: map[string]int64{"shop.empty": 4}, Error: "out of stock",
			}, report.Differences[0].Shadow)
			same(s.t, "the ledger's end", ShadowEnd{Verdict: "execute", Outcome: Succeeded}, report.Differences[0].Ledger)
		},
		"counts_more_than_it_lists": func(s *scene) {
			shadow := s.newShadow("one")
			for i := range 11 {
				d := s.delivery(string(rune('a' + i)))
				s.finish(s.take(d))
				s.played(shadow, d, func(h Hold) Result { return Result{Hold: h, Outcome: Blocked, Ended: AttemptFailed} }, nil)
			}
			report, _ := s.diff(shadow)
			same(s.t, "counted and listed", []int{11, 10}, []int{report.Different, len(report.Differences)})
		},
		"of_a_request_of_another_scope_finds_nothing": func(s *scene) {
			shadow, d := s.newShadow("one"), s.delivery("a")
			s.finish(s.take(d))
			s.played(shadow, d, succeeded, func(n *ShadowNote) { n.Scope = dedupe.Workspace(s.workspace.ID) })
			_, total := s.diff(shadow)
			same(s.t, "left out", map[LeftOut]int{NotInLedger: 1}, total.LeftOut)
		},
	})
}
