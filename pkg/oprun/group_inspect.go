package oprun

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// unclear reports whether an error came before the statements of a batch were sent, so that it is not known whose it is:
// a text that cannot be parsed, an argument that cannot be encoded, a panic of its own code.
func unclear(err error) bool {
	return err != nil && (errors.As(err, new(pgx.ErrPreprocessingBatch)) || !errors.As(err, new(*pgconn.PgError)) && !gone(err))
}

// suspect returns those of the jobs that are not the fault of an error, or the error when it is nobody's.
func (g *group) suspect(ctx context.Context, jobs []int, err error) (left []int, _ error) {
	left, failed := g.inspect(ctx, jobs)
	switch {
	case failed != nil:
		return nil, failed
	case len(left) == len(jobs):
		return nil, err
	default:
		return left, nil
	}
}

// inspect finds the jobs that have a statement which cannot be sent, and refuses them. It returns the others.
func (g *group) inspect(ctx context.Context, jobs []int) (left []int, err error) {
	conn, err := g.ledger.queued.Acquire(ctx)
	if err != nil {
		return nil, &unreached{err}
	}
	defer conn.Release()
	i := inspection{conn: conn.Conn(), parsed: make(map[string]parsed)}
	for _, job := range jobs {
		fault, err := i.faultOf(ctx, g.batch[job].Statements)
		switch {
		case err != nil:
			return nil, err
		case fault != nil:
			g.decide(job, Refused, fault)
		default:
			left = append(left, job)
		}
	}
	return left, nil
}

// inspection parses and encodes statements, and does not carry them out.
type inspection struct {
	conn   *pgx.Conn
	parsed map[string]parsed // by text
}

type parsed struct {
	statement *pgconn.StatementDescription
	err       error
}

// faultOf returns what is wrong with the first statement that cannot be sent, or nil. Its other error is of the connection.
func (i inspection) faultOf(ctx context.Context, statements []Statement) (fault, err error) {
	for n, s := range statements {
		p, err := i.parse(ctx, s.SQL)
		if err != nil {
			return nil, err
		}
		if fault = p.err; fault == nil {
			fault = encode(i.conn, p.statement, s.Args)
		}
		if fault != nil {
			return &StatementError{n + 1, fault}, nil
		}
	}
	return nil, nil
}

func (i inspection) parse(ctx context.Context, sql string) (parsed, error) {
	p, known := i.parsed[sql]
	if known {
		return p, nil
	}
	p.statement, p.err = i.conn.Prepare(ctx, "", sql)
	if gone(p.err) {
		return p, p.err
	}
	i.parsed[sql] = p
	return p, nil
}

func encode(conn *pgx.Conn, statement *pgconn.StatementDescription, args []any) (err error) {
	defer recovered(&err)
	return new(pgx.ExtendedQueryBuilder).Build(conn.TypeMap(), statement, args)
}

// recovered turns a panic of code of the caller's, which encodes arguments, into an error.
func recovered(err *error) {
	if value := recover(); value != nil {
		*err = &statementPanic{value, debug.Stack()}
	}
}

// statementPanic is a panic of code of the caller's that encodes arguments.
type statementPanic struct {
	value any
	stack []byte
}

func (e *statementPanic) Error() string { return fmt.Sprintf("panic: %v\n\n%s", e.value, e.stack) }

// sendGuarded sends a batch whose arguments may be of types of the caller's. Where their code panics, the connection is
// somewhere in the middle of something, and is given up.
func sendGuarded(ctx context.Context, tx pgx.Tx, batch *pgx.Batch) (results pgx.BatchResults, err error) {
	defer func() {
		if err != nil {
			_ = tx.Conn().Close(context.WithoutCancel(ctx))
		}
	}()
	defer recovered(&err)
	return tx.SendBatch(ctx, batch), nil
}
