package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/oprun"
)

// Queue remembers a statement that the job is to have carried out on the ledger's database when the handler returns nil:
// in the transaction that ends the run, together with the statements and the ends of many other jobs. So its effects
// happen exactly once, as those of Commit do, and a commit of the database is shared by all these jobs. A job's
// statements run in the order in which they were queued, and nothing else that a handler does waits for them.
//
// A statement that fails is this job's own failure: nothing of the job is kept, the run goes on as if the handler had
// returned the database's error, and the other jobs do not notice. So it is with one that waits for a lock or takes long:
// its job goes on by itself, with the type's timeout to itself.
//
// A cancellation that the handler did not heed before it returned nil comes too late for statements that are carried out
// with others: the run succeeds. It still stops a job that goes on by itself.
//
// When the handler returns an error, or panics, nothing is carried out. Failures that were recorded make the success a
// partial one, as ever. What was queued before or during a Commit is carried out in the transaction of that Commit: what
// was queued before it, before fn.
//
// A statement that comes too late is not carried out. While a Commit is about to end the run, which only another goroutine
// can be in time for, that Commit fails, and so does each one after it. Once the Commit is on its way, or the handler has
// returned, nothing can be done but say so in the log, as an error: wait for what queues before you commit or return.
//
// The arguments are not copied: leave alone what they point to; pgx.NamedArgs may stand in their place. The text is one
// statement as Postgres prepares it: no BEGIN, COMMIT or the like (the job fails with oprun.ErrNotQueueable). Jobs that use
// SET, set_config, DO or CALL are carried out one by one, on connections that are closed behind them: others would inherit
// their settings. What else outlives the transaction in the session stays with a connection that others will use, and must
// not be queued: functions that change settings for longer than their own run, locks of the session (pg_advisory_lock;
// pg_advisory_xact_lock is well), temporary tables without ON COMMIT DROP. Nor can what a statement returns be seen. For
// all that there is Commit.
func (w *Work) Queue(sql string, args ...any) {
	statement, err := oprun.NewStatement(context.Background(), sql, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sealed {
		w.tooLate()
		return
	}
	if err != nil && w.misused == nil {
		w.misused = fmt.Errorf("queued statement %d: %w", len(w.queued)+1, err)
	}
	w.queued = append(w.queued, statement)
}

// errQueuedLate is the error of a Commit behind whose last statement another was queued.
var errQueuedLate = errors.New("a statement was queued while the commit was ending the run, and would not have been carried out: " +
	"wait for what queues")

// tooLate makes sure that a statement which will never be carried out is missed: by the Commit that is ending the run, or
// else in the log. It is often a goroutine that outlives its handler, in which a panic would end the process.
func (w *Work) tooLate() {
	w.late = true
	if w.sent || w.returned {
		w.log.Error("statement queued too late", "run", w)
	}
}

// goes returns nil when a Commit may send the end of the run: from then on it hears of no late statement any more.
func (w *Work) goes() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.late {
		return errQueuedLate
	}
	w.sent = true
	return nil
}

// seal takes no more statements, unless some have been queued behind the first n: those it returns.
func (w *Work) seal(n int) []oprun.Statement {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed = len(w.queued) == n
	return slices.Clone(w.queued[n:])
}

// leaves says that the handler has returned, and reports whether it has left statements to be carried out.
func (w *Work) leaves() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sealed, w.returned = true, true
	return len(w.queued) > 0 && w.committed == ""
}

// play carries out, in a Commit's transaction, what was queued before it, fn, and what was queued meanwhile.
func (w *Work) play(ctx context.Context, tx pgx.Tx, fn func(tx pgx.Tx) error) error {
	w.mu.Lock()
	before := slices.Clone(w.queued)
	w.mu.Unlock()
	if err := w.send(ctx, tx, before); err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		return err
	}
	for n := len(before); ; {
		more := w.seal(n)
		if len(more) == 0 {
			return nil
		}
		if err := w.send(ctx, tx, more); err != nil {
			return err
		}
		n += len(more)
	}
}

func (w *Work) send(ctx context.Context, tx pgx.Tx, statements []oprun.Statement) error {
	if len(statements) == 0 {
		return nil
	}
	return w.ledger.On(tx).Queued(ctx, statements)
}
