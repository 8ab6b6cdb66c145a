// Package migrations is the ledger's schema, step by step, embedded in the binary.
//
// Steps are files NNNN_verb_noun.sql, forward only; each says how it behaves on a large live table. Where the schema
// belongs to the role oprun_owner (deploy/roles.sql), grants.sql says what the other roles may do with all of it. A shadow
// (docs/shadow.md) is all steps in a schema of its own, and shadow.sql behind them.
package migrations

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed [0-9]*.sql
var files embed.FS

//go:embed grants.sql
var grants string

// lockKey is the advisory lock under which one process at a time migrates a database.
const lockKey = 0x6f7072756e // "oprun"

// Step is one migration.
type Step struct {
	Version int
	Name    string // the file's name, without .sql
	SQL     string
}

// Steps returns every migration, oldest first.
func Steps() ([]Step, error) {
	names, err := fs.Glob(files, "*.sql") // sorted, and so by version
	if err != nil {
		return nil, err
	}
	steps := make([]Step, 0, len(names))
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		digits, _, _ := strings.Cut(name, "_")
		version, err := strconv.Atoi(digits)
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must begin with a number", name)
		}
		steps = append(steps, Step{version, strings.TrimSuffix(name, ".sql"), string(text)})
	}
	return steps, nil
}

// Latest returns the version that this binary migrates to.
func Latest() (int, error) {
	steps, err := Steps()
	if err != nil {
		return 0, err
	}
	return steps[len(steps)-1].Version, nil
}

// Version returns the version of the connected database's schema; 0 where there is none.
func Version(ctx context.Context, conn *pgx.Conn) (int, error) {
	var exists bool
	if err := conn.QueryRow(ctx, "select to_regclass('oprun.schema_migrations') is not null").Scan(&exists); err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	if !exists {
		return 0, nil
	}
	var version int
	err := conn.QueryRow(ctx, "select coalesce(max(version), 0) from oprun.schema_migrations").Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read schema version: %w", err)
	}
	return version, nil
}

// Up brings the connected database to the latest version, in one transaction: all missing steps or none. Any
// number of processes may call it at once; one works, the others wait and find nothing to do. What it makes belongs to
// the schema's owner, if the caller is a member of that role. It returns the names of the steps it applied.
func Up(ctx context.Context, conn *pgx.Conn) (applied []string, err error) {
	steps, err := Steps()
	if err != nil {
		return nil, err
	}
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if err := prepare(ctx, tx); err != nil {
			return err
		}
		version, err := Version(ctx, conn)
		if err != nil {
			return err
		}
		for _, step := range steps {
			if step.Version <= version {
				continue
			}
			if err := apply(ctx, tx, step, ledger); err != nil {
				return err
			}
			applied = append(applied, step.Name)
		}
		return grant(ctx, tx)
	})
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return applied, nil
}

// prepare takes the lock first: two processes that create the same schema at once would fail each other. A schema that
// is there needs no right to create one, as "if not exists" would.
func prepare(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", lockKey); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `do $$ begin
  if to_regnamespace('oprun') is null then create schema oprun; end if;
end $$;
select set_config('role', r.rolname, true) from pg_namespace n join pg_roles r on r.oid = n.nspowner
where n.nspname = 'oprun' and pg_has_role(r.oid, 'member');
`+table)
	return err
}

// table is where the schema's own version is.
const table = `create table if not exists oprun.schema_migrations (
  version integer primary key, name text not null, applied_at timestamptz not null default now())`

// grant gives the roles their rights, in a database that uses them.
func grant(ctx context.Context, tx pgx.Tx) error {
	var roles bool
	err := tx.QueryRow(ctx, "select nspowner::regrole::text = 'oprun_owner' from pg_namespace where nspname = 'oprun'").Scan(&roles)
	if err != nil || !roles {
		return err
	}
	if _, err := tx.Exec(ctx, grants); err != nil {
		return fmt.Errorf("grant the roles their rights: %w", err)
	}
	return nil
}

func apply(ctx context.Context, tx pgx.Tx, step Step, schema string) error {
	if _, err := tx.Exec(ctx, In(schema, step.SQL)); err != nil {
		return fmt.Errorf("%s: %w", step.Name, err)
	}
	_, err := tx.Exec(ctx, In(schema, "insert into oprun.schema_migrations (version, name) values ($1, $2)"), step.Version, step.Name)
	return err
}
