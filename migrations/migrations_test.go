package migrations_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devstack.Tests{M: m}) }

func TestSteps(t *testing.T) {
	t.Parallel()
	steps, err := migrations.Steps()
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`^\d{4}(_[a-z]+)+$`)
	for i, step := range steps {
		if step.Version != i+1 || !name.MatchString(step.Name) {
			t.Errorf("step %d is %s, version %d", i+1, step.Name, step.Version)
		}
		if !strings.HasPrefix(step.SQL, "-- ") || !strings.Contains(step.SQL, "\n-- On a live database: ") {
			t.Errorf("%s does not say what it does and how it behaves on a live database", step.Name)
		}
	}
	latest, err := migrations.Latest()
	if err != nil || latest != len(steps) {
		t.Errorf("the latest version is %d of %d: %v", latest, len(steps), err)
	}
}

func TestUp(t *testing.T) {
	t.Parallel()
	t.Run("an_empty_database_is_brought_to_the_latest_version_once", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, devstack.EmptyDatabase(t))
		wantVersion(t, conn, 0)
		steps, err := migrations.Steps()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, step := range steps {
			names = append(names, step.Name)
		}
		for _, want := range [][]string{names, nil} {
			applied, err := migrations.Up(t.Context(), conn)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, applied); diff != "" {
				t.Errorf("applied (-want +got):\n%s", diff)
			}
			wantVersion(t, conn, len(steps))
		}
	})
	t.Run("sixteen_processes_at_once_apply_each_step_once", func(t *testing.T) {
		t.Parallel()
		address := devstack.EmptyDatabase(t)
		steps, err := migrations.Steps()
		if err != nil {
			t.Fatal(err)
		}
		counts := make([]int, 16)
		group, ctx := errgroup.WithContext(t.Context())
		for i := range counts {
			conn := connect(t, address)
			// A session whose transactions keep their first snapshot must still see what another one has applied.
			if _, err := conn.Exec(ctx, "set default_transaction_isolation = 'repeatable read'"); err != nil {
				t.Fatal(err)
			}
			group.Go(func() error {
				applied, err := migrations.Up(ctx, conn)
				counts[i] = len(applied)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, n := range counts {
			total += n
		}
		if total != len(steps) {
			t.Errorf("%d steps were applied %d times: %v", len(steps), total, counts)
		}
	})
	t.Run("a_step_that_fails_leaves_nothing_behind", func(t *testing.T) {
		t.Parallel()
		conn := connect(t, devstack.EmptyDatabase(t))
		if _, err := conn.Exec(t.Context(), "create schema oprun; create table oprun.tenants ()"); err != nil {
			t.Fatal(err)
		}
		if applied, err := migrations.Up(t.Context(), conn); err == nil || len(applied) > 0 || !strings.Contains(err.Error(), "0001_") {
			t.Errorf("%v were applied: %v", applied, err)
		}
		wantVersion(t, conn, 0)
		var tables int
		if err := conn.QueryRow(t.Context(), "select count(*) from pg_tables where schemaname = 'oprun'").Scan(&tables); err != nil || tables != 1 {
			t.Errorf("%d tables are left: %v", tables, err)
		}
	})
}

func wantVersion(t *testing.T, conn *pgx.Conn, want int) {
	t.Helper()
	got, err := migrations.Version(t.Context(), conn)
	if err != nil || got != want {
		t.Errorf("version %d, want %d: %v", got, want, err)
	}
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// A shadow is all of it or nothing, and no part of the ledger.
func TestMakeShadow(t *testing.T) {
	t.Parallel()
	conn := connect(t, devstack.EmptyDatabase(t))
	const schema = `oprun_shadow_"next"`
	for _, want := range []string{"", "42P06"} { // duplicate_schema
		err := migrations.MakeShadow(t.Context(), conn, schema)
		if pg, _ := errors.AsType[*pgconn.PgError](err); (pg == nil) != (want == "") || pg != nil && pg.Code != want {
			t.Fatalf("making it: %v, want %q", err, want)
		}
	}
	wantVersion(t, conn, 0) // there is no ledger
	var tables, version int
	err := conn.QueryRow(t.Context(), "select count(*) from pg_class where relkind = 'r' and relnamespace = to_regnamespace($1)", pgx.Identifier{schema}.Sanitize()).Scan(&tables)
	if err != nil || tables < 12 {
		t.Errorf("%d tables: %v", tables, err)
	}
	latest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.QueryRow(t.Context(), migrations.In(schema, "select max(version) from oprun.schema_migrations")).Scan(&version)
	if err != nil || version != latest {
		t.Errorf("it is of version %d: %v", version, err)
	}
	if err := migrations.DropShadow(t.Context(), conn, schema); err != nil {
		t.Error(err)
	}
	if err := migrations.DropShadow(t.Context(), conn, schema); err == nil {
		t.Error("dropped twice")
	}
}
