package oprun

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/internal/failpoint"
)

// alones is how many jobs may have a transaction of their own at once.
const alones = 4

// TurnAlone waits until one job more may have a transaction of its own, with FinishAlone, and returns what makes room for
// the next. Jobs ahead may be blocked for long: what time a job has for its statements had better begin after this. The
// error is the context's.
func (l *Ledger) TurnAlone(ctx context.Context) (leave func(), err error) {
	select {
	case l.alone <- struct{}{}:
		return func() { <-l.alone }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// FinishAlone carries out the queued statements of one job and ends its run, in a transaction of its own. It waits for
// locks as long as its context lets it, and the settings of the caller's pool; only when nothing is heard of this process
// for ten seconds in between does Postgres give the transaction up. It is for those who have their turn: see TurnAlone. The error is one that IsFenced knows, or a [*StatementError], and then nothing
// was done; after one that [Unavailable] recognises its fate is unknown: ask Confirm before sending it again. Ending is
// called, unless it is nil, when the statements have been carried out and the run is about to end: from then on a
// heartbeat may not find it.
func (l *Ledger) FinishAlone(ctx context.Context, q Queued, ending func()) error {
	conn, err := l.queued.Acquire(ctx)
	if err != nil {
		return &unreached{err}
	}
	defer conn.Release()
	if q.changesSettings() { // and takes them with it
		defer func() { _ = conn.Conn().Close(context.WithoutCancel(ctx)) }()
	}
	tx, err := beginAlone(ctx, conn)
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err != nil {
		return &unreached{err}
	}
	if err := l.On(tx).Queued(ctx, q.Statements); err != nil {
		return err
	}
	if err := failpoint.Hit(failpoint.FinishBefore); err != nil {
		return err
	}
	if ending != nil {
		ending()
	}
	return tx.Land(ctx, q.Result)
}

// beginAlone begins a transaction, with its limit. It is to be rolled back also after an error.
func beginAlone(ctx context.Context, conn *pgxpool.Conn) (*Effects, error) {
	var batch pgx.Batch
	batch.BeginTx(groupOptions)
	batch.Queue(aloneLimitsSQL)
	results := conn.SendBatch(ctx, &batch)
	return &Effects{Tx: results.Tx()}, results.Close()
}

// Queued carries out queued statements in the caller's transaction, in one round trip. The error is a [*StatementError],
// or one of the connection.
func (t *Tx) Queued(ctx context.Context, statements []Statement) error {
	if err := (Queued{Statements: statements}).check(); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	for _, s := range statements {
		batch.Queue(s.SQL, s.Args...)
	}
	results, err := sendGuarded(ctx, t.db, batch)
	if err != nil {
		return err
	}
	if err := read(results, len(statements), 0); err != nil {
		_ = results.Close()
		return err
	}
	return results.Close()
}
