package oprun

import (
	"cmp"
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
		"cannot_be_committed_by_any_means":     func(s *scene) { s.commitsNothing(nil) },
		"cannot_be_committed_in_a_copy_either": func(s *scene) { s.commitsNothing(devstack.Pool(s.t)) },
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

// commitsNothing tries to commit effects of a shadow, in this copy of the tables or else beside the ledger.
func (s *scene) commitsNothing(copied *pgxpool.Pool) {
	shadow := s.newShadow("one")
	shadow.Effects = copied
	pool := cmp.Or(copied, s.pool)
	_, err := pool.Exec(s.t.Context(), "create table effects (run_id uuid)")
	must(s.t, err)
	for name, commit := range map[string]func(tx *Effects) error{
		"Commit": func(tx *Effects) error { return tx.Commit(s.t.Context()) },
		"SQL": func(tx *Effects) error {
			_, err := tx.Exec(s.t.Context(), "commit")
			return err
		},
		"ROLLBACK": func(tx *Effects) error {
			_, err := tx.Exec(s.t.Context(), "rollback")
			must(s.t, err)
			_, err = tx.Exec(s.t.Context(), "insert into effects values ($1)", uuid.New())
			return err
		},
		"conn": func(tx *Effects) error {
			_, err := tx.Conn().Exec(s.t.Context(), "commit")
			return err
		},
	} {
		tx, err := shadow.Begin(s.t.Context())
		must(s.t, err)
		_, err = tx.Exec(s.t.Context(), "insert into effects values ($1)", uuid.New())
		must(s.t, err)
		if err := commit(tx); name == "ROLLBACK" {
			if err == nil { // and it goes on outside of any transaction
				s.t.Errorf("%s: what follows is carried out", name)
			}
		} else if err == nil || !strings.Contains(err.Error(), "a_shadow_commits_nothing") {
			s.t.Errorf("%s: %v", name, err)
		}
		_ = tx.Rollback(s.t.Context())
	}
	h := s.takeIn(shadow, s.delivery("a"))
	tx, err := shadow.Begin(s.t.Context())
	must(s.t, err)
	_, err = tx.Exec(s.t.Context(), "insert into effects values ($1)", h.RunID)
	must(s.t, err)
	must(s.t, tx.Land(s.t.Context(), succeeded(h)))
	var effects int
	must(s.t, pool.QueryRow(s.t.Context(), "select count(*) from effects").Scan(&effects))
	same(s.t, "effects", 0, effects)
	same(s.t, "outcome", "succeeded", query[string](s, "select outcome from oprun_shadow_one.operation_runs where id = $1", h.RunID))
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
			ledger := openLedger(s.t, pool)
			if _, err := ledger.MakeShadow(s.t.Context(), "one", ""); !errors.Is(err, ErrMayNotShadow) {
				s.t.Errorf("made without the right: %v", err)
			}
			s.newShadow("one")
			if err := ledger.DropShadow(s.t.Context(), "one"); !errors.Is(err, ErrMayNotShadow) {
				s.t.Errorf("dropped without the right: %v", err)
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
