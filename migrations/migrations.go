// Package migrations is the ledger's schema, step by step, embedded in the binary.
//
// Steps are files NNNN_verb_noun.sql, forward only; each says how it behaves on a large live table.
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

//go:embed *.sql
var files embed.FS

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
// number of processes may call it at once; one works, the others wait and find nothing to do. It returns the
// names of the steps it applied.
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
			if err := apply(ctx, tx, step); err != nil {
				return err
			}
			applied = append(applied, step.Name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return applied, nil
}

// prepare takes the lock first: two processes that create the same schema at once would fail each other.
func prepare(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", lockKey); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `create schema if not exists oprun;
create table if not exists oprun.schema_migrations (
  version integer primary key, name text not null, applied_at timestamptz not null default now())`)
	return err
}

func apply(ctx context.Context, tx pgx.Tx, step Step) error {
	if _, err := tx.Exec(ctx, step.SQL); err != nil {
		return fmt.Errorf("%s: %w", step.Name, err)
	}
	_, err := tx.Exec(ctx, "insert into oprun.schema_migrations (version, name) values ($1, $2)", step.Version, step.Name)
	return err
}
