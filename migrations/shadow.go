package migrations

import (
	"context"
	_ "embed"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed shadow.sql
var shadow string

// ledger is the schema that all our texts speak of.
const ledger = "oprun"

// In returns a text of ours as it is when the ledger is in this schema.
func In(schema, sql string) string {
	if schema == ledger {
		return sql
	}
	return strings.ReplaceAll(sql, "oprun.", pgx.Identifier{schema}.Sanitize()+".")
}

// MakeShadow makes a schema of this name with all that a shadow has, of the latest version, in one transaction: all of
// it or nothing. It fails when there is a schema of the name, and where the caller may not create one. Nobody but its owner,
// who is the caller, may look into it.
func MakeShadow(ctx context.Context, conn *pgx.Conn, schema string) error {
	steps, err := Steps()
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "create schema "+pgx.Identifier{schema}.Sanitize()+";"+In(schema, table)); err != nil {
			return err
		}
		for _, step := range steps {
			if err := apply(ctx, tx, step, schema); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, In(schema, shadow))
		return err
	})
}

// DropShadow drops such a schema with all that is in it. One that is not there is an error.
func DropShadow(ctx context.Context, conn *pgx.Conn, schema string) error {
	_, err := conn.Exec(ctx, "drop schema "+pgx.Identifier{schema}.Sanitize()+" cascade")
	return err
}
