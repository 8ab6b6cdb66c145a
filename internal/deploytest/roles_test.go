package deploytest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"oprun.example/internal/devstack"
	"oprun.example/migrations"
)

// ownerAlone are the statements that only the schema's owner may carry out: the others make no scopes.
var ownerAlone = []string{"add_tenant", "add_workspace"}

// may is what a role may carry out beside the statements that touch no table, some of it only because the same rights are
// needed for its own work (confirm_wait, fire and reconcile_candidates of the publisher). The runner may do
// all but what is the owner's.
var may = map[string][]string{
	"oprun_publisher": {
		"confirm_wait", "ensure_follow_up", "ensure_lent", "ensure_made", "ensure_new", "ensure_past", "ensure_queued", "ensure_running", "fire",
		"forgotten", "horizon", "lend_input", "memory", "reconcile_candidates", "record_delivery", "run", "runs", "runs_active", "runs_by_id", "scope", "schema_version",
		"stats_stale", "tenants", "workspaces",
	},
	"oprun_reader": {
		"account", "attempts", "ensure_made", "ensure_past", "ensure_running", "forgotten", "horizon", "last_fire", "late",
		"memory", "run", "runs", "runs_active", "runs_by_id", "runs_floor", "runs_succeeded", "runs_unwell", "runs_unwell_in_scope",
		"schema_version", "scope", "stats_due", "stats_stale", "stats_stale_many", "stats_unwell", "tenants", "twins", "verdicts", "workspaces",
	},
}

// TestRolesAndStatements asks Postgres about every statement of the ledger, for every role: the rights are checked as a
// statement's execution begins, which EXPLAIN does.
func TestRolesAndStatements(t *testing.T) {
	t.Parallel()
	conn := ledgerWithRoles(t)
	all, touchNothing := prepareStatements(t, conn)
	expected := map[string][]string{"oprun_owner": all, "oprun_runner": nil}
	for role, some := range may {
		expected[role] = slices.DeleteFunc(slices.Clone(all), func(name string) bool {
			return !slices.Contains(some, name) && !slices.Contains(touchNothing, name)
		})
	}
	for _, name := range all {
		if !slices.Contains(ownerAlone, name) {
			expected["oprun_runner"] = append(expected["oprun_runner"], name)
		}
	}
	for role, want := range expected {
		var got []string
		as(t, conn, role, func() {
			for _, name := range all {
				if allowed(t, conn, name) {
					got = append(got, name)
				}
			}
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s may carry out (-want +got); mend migrations/grants.sql, or this table:\n%s", role, diff)
		}
	}
}

// prepareStatements prepares the files of pkg/oprun/sql under their names, and returns those, in order, and which of them
// touch no table.
func prepareStatements(t *testing.T, conn *pgx.Conn) (names, touchNothing []string) {
	t.Helper()
	files, err := filepath.Glob("../../pkg/oprun/sql/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no statements: %v", err)
	}
	execute(t, conn, "set plan_cache_mode = force_generic_plan")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		text := read(t, file)
		if _, err := conn.Prepare(t.Context(), name, text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		names = append(names, name)
		if !strings.Contains(regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(text, ""), "oprun.") {
			touchNothing = append(touchNothing, name)
		}
	}
	return names, touchNothing
}

// allowed tells whether the current role may carry out a prepared statement.
func allowed(t *testing.T, conn *pgx.Conn, name string) bool {
	t.Helper()
	var parameters int
	err := conn.QueryRow(t.Context(), "select cardinality(parameter_types) from pg_prepared_statements where name = $1", name).Scan(&parameters)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	call := "explain execute " + name
	if parameters > 0 {
		call += "(" + strings.TrimSuffix(strings.Repeat("null,", parameters), ",") + ")"
	}
	_, err = conn.Exec(t.Context(), call)
	switch {
	case err == nil:
		return true
	case isRefused(err):
		return false
	case strings.Contains(err.Error(), "EXPLAIN"): // SET and the like have no plan, and need no rights
		return true
	}
	t.Fatalf("%s: %v", name, err)
	return false
}

// TestRolesAreRefused is what no statement of ours would try.
func TestRolesAreRefused(t *testing.T) {
	t.Parallel()
	conn := ledgerWithRoles(t)
	const forged = `insert into oprun.operation_runs (id, workspace_id, type, run_identity_hash, max_attempts, status, %s)
		values (gen_random_uuid(), gen_random_uuid(), 'a.b', sha256('x'), 1, %s)`
	for role, statements := range map[string][]string{
		"oprun_runner": {
			"create table oprun.mine ()", "create schema mine", "drop table oprun.dead_letters", "truncate oprun.operation_runs",
			"delete from oprun.tenants", "update oprun.tenants set external_id = gen_random_uuid()", "insert into oprun.workspaces values (default)",
			"delete from oprun.schema_migrations", "set role oprun_owner",
		},
		"oprun_publisher": {
			"create table oprun.mine ()", "delete from oprun.operation_runs", "update oprun.operation_runs set status = 'queued'",
			"select claim_token from oprun.operation_runs", "select body from oprun.dead_letters", "select error from oprun.operation_run_attempts",
			fmt.Sprintf(forged, "outcome, completed_at", "'completed', 'succeeded', now()"), "set role oprun_runner",
		},
		"oprun_reader": {
			"create table oprun.mine ()", "select input from oprun.operation_runs", "select spare_input from oprun.operation_runs",
			"select claim_token from oprun.operation_runs", "select * from oprun.operation_run_attempts", "select body from oprun.dead_letters",
			"insert into oprun.operation_run_deliveries values (default)", "select from oprun.operation_runs for share",
			"update oprun.retention_horizon set floor = default", "set role oprun_runner",
		},
	} {
		t.Run(role, func(t *testing.T) {
			for _, statement := range statements {
				_, err := login(t, conn, role).Exec(t.Context(), statement)
				if !isRefused(err) {
					t.Errorf("%s: %v", statement, err)
				}
			}
		})
	}
}

func TestRolesCanBeMadeAgainAndLater(t *testing.T) {
	t.Parallel()
	conn := connect(t, devstack.Database(t)) // a ledger without roles, made by the superuser
	for range 2 {
		makeRoles(t, conn)
		if _, err := migrations.Up(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
	}
	var others []string
	err := conn.QueryRow(t.Context(), `select array_agg(relname) from pg_class
		where relnamespace = 'oprun'::regnamespace and relowner <> 'oprun_owner'::regrole`).Scan(&others)
	if err != nil || len(others) > 0 {
		t.Errorf("%v do not belong to oprun_owner: %v", others, err)
	}
	as(t, conn, "oprun_reader", func() { execute(t, conn, "select from oprun.operation_runs_view") })
}

// The admin of a hosted server is no superuser.
func TestRolesAreUsedByAnAdminWhoIsNoSuperuser(t *testing.T) {
	t.Parallel()
	conn := connect(t, devstack.EmptyDatabase(t))
	makeRoles(t, connect(t, devstack.EmptyDatabase(t))) // roles are the server's: they may be there already
	roles.Lock()
	execute(t, conn, `do $$ begin
		if to_regrole('hosted_admin') is null then create role hosted_admin createrole; end if;
		grant oprun_owner to hosted_admin;
		execute format('grant create on database %I to hosted_admin', current_database());
	end $$`)
	roles.Unlock()
	as(t, conn, "hosted_admin", func() { makeRoles(t, conn) })
	if _, err := migrations.Up(t.Context(), login(t, conn, "oprun_owner")); err != nil {
		t.Fatal(err)
	}
	as(t, conn, "oprun_reader", func() { execute(t, conn, "select from oprun.operation_runs_view") })
}

// Whoever adds a table has to say who may do what with it.
func TestGrantsNameEveryTable(t *testing.T) {
	t.Parallel()
	conn := connect(t, devstack.Database(t))
	rows, err := conn.Query(t.Context(), "select relname from pg_class where relnamespace = 'oprun'::regnamespace and relkind in ('r', 'v')")
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("%v: %v", tables, err)
	}
	grants := read(t, "../../migrations/grants.sql")
	for _, table := range tables {
		if !strings.Contains(grants, "oprun."+table) {
			t.Errorf("migrations/grants.sql does not name oprun.%s", table)
		}
	}
}

// ledgerWithRoles makes a ledger as deploy/README.md says: the roles by an admin, the rest by a member of oprun_owner.
func ledgerWithRoles(t *testing.T) *pgx.Conn {
	t.Helper()
	conn := connect(t, devstack.EmptyDatabase(t))
	makeRoles(t, conn)
	if _, err := migrations.Up(t.Context(), login(t, conn, "oprun_owner")); err != nil {
		t.Fatal(err)
	}
	return conn
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
