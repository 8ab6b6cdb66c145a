package oprun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrFenced says that an attempt no longer owns its run: another has taken it, or it has ended. Whatever the
// attempt did must be rolled back, and its message must not be acknowledged. Test with [IsFenced].
var ErrFenced = errors.New("the attempt no longer owns its run")

// ErrNotFound says that the ledger has no such run, dead letter, tenant or workspace.
var ErrNotFound = errors.New("not found in the ledger")

// ErrScopeUnknown says that the ledger has no such tenant or workspace.
var ErrScopeUnknown = errors.New("the ledger knows no such tenant or workspace")

// Errors about shadows; what to type is in their words.
var (
	ErrShadowExists = errors.New("there is a shadow of this name")
	ErrNoShadow     = errors.New("there is no shadow of this name")
	ErrMayNotShadow = errors.New("a shadow is a schema of its own, which this role may not make in this database, or does not own")
)

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
	queryCanceled   = "57014" // statement_timeout, too
	invalidText     = "22P02" // of a cast
	noPrivilege     = "42501"
	schemaExists    = "42P06"
	idleTooLong     = "25P03" // idle_in_transaction_session_timeout has ended the session
)

// fencedText is in the error of finish_one.sql, and of finish.sql for one attempt, when the attempt no longer owns its run.
const fencedText = "oprun: fenced "

// asFenced returns ErrFenced for that error, and any other as it is.
func asFenced(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == invalidText && strings.Contains(pg.Message, fencedText) {
		return ErrFenced
	}
	return err
}

// crowded are errors that a statement may have only since others run beside it.
var crowded = []string{lockTimeout, deadlock, queryCanceled, unserialisable}

// gone reports whether the database is: unlike Unavailable it knows that a statement of a user's, which waits for a lock or
// takes long, says nothing about that.
func gone(err error) bool { return Unavailable(err) && !hasCode(err, crowded...) }

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}

// Unavailable reports whether the database did not answer, or answered that it cannot work now: the statement's fate
// is unknown, and the same statement may be sent again later.
func Unavailable(err error) bool {
	if errors.As(err, new(*StatementError)) {
		return false // nor is anything to be found out about it
	}
	if Unsent(err) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case readOnly, lockTimeout, deadlock, idleTooLong:
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

// unreached says that there was no connection to be had for queued statements, whatever the reason: it is no job's fault.
type unreached struct{ err error }

func (e *unreached) Error() string { return "connect for queued statements: " + e.err.Error() }

func (e *unreached) Unwrap() error { return e.err }

// Unsent reports whether queued statements were never sent, since there was no connection to be had: nothing of them was
// done, and there is nothing to ask Confirm about.
func Unsent(err error) bool { return errors.As(err, new(*unreached)) }

// Broke reports whether the database was there and broke off in the middle: that may be the fault of the very statement,
// and comes again with it.
func Broke(err error) bool {
	return Unavailable(err) && !Unsent(err) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
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
