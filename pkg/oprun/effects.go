package oprun

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/failpoint"
)

// Effects is a transaction for the effects of one attempt, which Land commits together with the end of the run. To
// handlers it is a pgx.Tx like any other. It is not safe for concurrent use.
type Effects struct {
	pgx.Tx
	conn *pgxpool.Conn // to be given back with the end of the transaction, unless nil

	shadow *Shadow // whose Land takes the effects back; nil: the ledger's commits them
	writes string  // in a shadow: what the connection's own default is, see readOnlySQL
}

// Begin starts a transaction for a handler's effects, on the caller's pool. End it with Land; or with Rollback, which may be
// deferred as usual.
func (l *Ledger) Begin(ctx context.Context) (*Effects, error) {
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		conn.Release()
		return nil, err
	}
	return &Effects{Tx: tx, conn: conn}, nil
}

// Commit commits the effects without an end of the run, or with the one that [Tx.Finish] has written.
func (e *Effects) Commit(ctx context.Context) error {
	defer e.release()
	return e.Tx.Commit(ctx)
}

// Rollback takes the effects back. It does nothing after the end of the transaction.
func (e *Effects) Rollback(ctx context.Context) error {
	defer e.release()
	return e.Tx.Rollback(ctx)
}

// release gives the connection back, and keeps from it whoever still holds the transaction.
func (e *Effects) release() {
	e.Tx = over
	if e.conn != nil {
		if e.shadow != nil {
			release(e.conn, e.writes)
		} else {
			e.conn.Release()
		}
		e.conn = nil
	}
}

// over is a transaction that has ended: all that it does is return pgx.ErrTxClosed.
var over = func() pgx.Tx {
	var none pgx.Batch
	none.BeginTx(pgx.TxOptions{})
	return pgx.FailedBatchResults(&none, pgx.ErrTxClosed).Tx()
}()

// Land ends the run of the attempt and commits, in one round trip. The error is one that IsFenced knows when the attempt no
// longer owns its run. After any error the effects are rolled back, unless it is one that [Unavailable] recognises: ask
// Confirm. The transaction is over, whatever the answer.
func (e *Effects) Land(ctx context.Context, result Result) error {
	defer e.release()
	if e.ended() { // by a statement of the handler's: the run must not end without effects
		return fmt.Errorf("finish run %s: %w", result.RunID, pgx.ErrTxClosed)
	}
	if e.shadow != nil {
		return e.shadow.land(ctx, e, result)
	}
	if err := e.end(ctx, result); err != nil {
		if !e.ended() {
			_ = e.Tx.Rollback(context.WithoutCancel(ctx))
		}
		return err
	}
	return failpoint.Hit(failpoint.CommitAfter)
}

// ended reports whether there is nothing to commit, nor to roll back.
func (e *Effects) ended() bool {
	conn := e.Conn()
	return conn == nil || conn.PgConn().TxStatus() == idle
}

// idle is the state of a connection without a transaction, as Postgres tells it.
const idle = 'I'

// end ends the run and commits. Over a network that is to break between the two they are sent apart.
func (e *Effects) end(ctx context.Context, result Result) error {
	if !failpoint.Armed(failpoint.CommitBefore) {
		return finishOne(ctx, e.Tx, result, commitSQL)
	}
	if err := finishOne(ctx, e.Tx, result); err != nil {
		return err
	}
	return commitEffects(ctx, e.Tx)
}

// Finish ends the run of one attempt inside the caller's transaction, and must be its last statement: a row lock
// held any longer would stall the heartbeat. The error is ErrFenced when the attempt no longer owns its run; then
// roll back. With a transaction that [Ledger.Begin] has made there is Land, which needs no round trip for the commit.
func (t *Tx) Finish(ctx context.Context, result Result) error { return finishOne(ctx, t.db, result) }

// finishOne ends the run of one attempt, and sends these statements behind that: when it fails they are not carried out.
func finishOne(ctx context.Context, tx pgx.Tx, result Result, behind ...string) error {
	sql, args, err := finishing(result)
	if err != nil {
		return err
	}
	var batch pgx.Batch
	batch.Queue(laneSettingsSQL)
	batch.Queue(sql, args...)
	if result.Follows {
		batch.Queue(promoteSQL, []pgtype.UUID{idOf(result.RunID)})
	}
	ours := batch.Len()
	for _, each := range behind {
		batch.Queue(each)
	}
	results := tx.SendBatch(ctx, &batch)
	if err := read(results, 0, ours); err != nil {
		_ = results.Close()
		return fmt.Errorf("finish run %s: %w", result.RunID, asFenced(err))
	}
	if err := results.Close(); err != nil {
		return fmt.Errorf("commit effects: %w", err)
	}
	return nil
}

// finishing is the statement that ends the run of one attempt, and its parameters, for a connection of the caller's.
func finishing(r Result) (sql string, args []any, err error) {
	if r.Attempt > 1 || r.Ended != AttemptSucceeded || len(r.Input) > 0 {
		if args, err = finishArgs([]Result{r}); err == nil {
			args[0], args[1] = []pgtype.UUID{idOf(r.RunID)}, []pgtype.UUID{idOf(r.Token)}
		}
		return finishAloneSQL, args, err
	}
	counts, failures, err := summaries(r)
	return finishOneSQL, []any{idOf(r.RunID), idOf(r.Token), string(r.Outcome), counts, failures, millis(r.Cooldown)}, err
}
