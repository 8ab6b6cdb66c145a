package oprun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrFenced says that an attempt no longer owns its run: another has taken it, or it has ended. Whatever the
// attempt did must be rolled back, and its message must not be acknowledged. Test with [IsFenced].
var ErrFenced = errors.New("the attempt no longer owns its run")

// ErrNotFound says that the ledger has no such run, dead letter, tenant or workspace.
var ErrNotFound = errors.New("not found in the ledger")

// ErrScopeUnknown says that the ledger has no such tenant or workspace.
var ErrScopeUnknown = errors.New("the ledger knows no such tenant or workspace")

// SchemaError says that the database's schema is not the one this package is written for.
type SchemaError struct {
	Want, Got int // versions; Got is 0 when there is no schema
}

// Error names both versions and what to type.
func (e *SchemaError) Error() string {
	if e.Got > e.Want {
		return fmt.Sprintf("the ledger's schema is version %d, newer than this program's %d: update the program", e.Got, e.Want)
	}
	return fmt.Sprintf("the ledger's schema is version %d, this program needs %d: run `consumer migrate up`", e.Got, e.Want)
}

// IsFenced reports whether the attempt was refused because it no longer owns its run.
func IsFenced(err error) bool { return errors.Is(err, ErrFenced) }

// IsSchema reports whether the schema is missing or of another version.
func IsSchema(err error) bool {
	var schema *SchemaError
	return errors.As(err, &schema)
}

// SQLSTATE codes that statements of ours steer by.
const (
	uniqueViolation = "23505"
	undefinedTable  = "42P01"
	invalidSchema   = "3F000"
	lockTimeout     = "55P03"
	deadlock        = "40P01"
	unserialisable  = "40001"
	readOnly        = "25006" // a primary that has become a standby
)

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}

// Unavailable reports whether the database did not answer, or answered that it cannot work now: the statement's fate
// is unknown, and the same statement may be sent again later.
func Unavailable(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case readOnly, lockTimeout, deadlock:
			return true
		}
		switch pg.Code[:min(2, len(pg.Code))] {
		case "08", "53", "57", "58": // connection, resources, operator intervention, system
			return true
		}
		return false
	}
	return unanswered(err)
}

// Locked reports whether a statement gave up waiting for a lock that a transaction keeps: the database is well, and the
// same statement may be sent again when that transaction has ended.
func Locked(err error) bool { return hasCode(err, lockTimeout, deadlock) }

// unanswered reports whether a connection could not be had, or broke, or was given up.
func unanswered(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
