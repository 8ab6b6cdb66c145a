package oprun

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"oprun.example/migrations"
)

// Claim asks whether a delivery may run in the shadow; see [Ledger.Claim].
func (s *Shadow) Claim(ctx context.Context, who Claimer, d Delivery) (Answer, error) {
	answers, err := s.ledger.Claim(ctx, who, []Delivery{d})
	return first(answers), err
}

// Requeue hands a run back to be tried again; see [Ledger.Requeue].
func (s *Shadow) Requeue(ctx context.Context, r Requeue) (Outcome, error) {
	stands, err := s.ledger.Requeue(ctx, []Requeue{r})
	return stands[r.RunID], err
}

// Finish ends a run; see [Ledger.Finish].
func (s *Shadow) Finish(ctx context.Context, r Result) error {
	done, err := s.ledger.Finish(ctx, []Result{r})
	if err == nil && !done[r.RunID] {
		err = fmt.Errorf("finish run %s: %w", r.RunID, ErrFenced)
	}
	return err
}

// Confirm tells how runs have ended; see [Ledger.Confirm].
func (s *Shadow) Confirm(ctx context.Context, holds []Hold) (map[uuid.UUID]Outcome, error) {
	return s.ledger.Confirm(ctx, holds)
}

// On returns the ledger inside this transaction, for queued statements.
func (s *Shadow) On(tx pgx.Tx) *Tx { return s.real.On(tx) }

// Begin starts a transaction for a handler's effects. Nothing of it will ever be committed: Land checks its deferred
// constraints, rolls it back, and ends the run in the shadow; a commit by any other means fails.
func (s *Shadow) Begin(ctx context.Context) (*Effects, error) {
	conn, err := cmp.Or(s.Effects, s.real.pool).Acquire(ctx)
	if err != nil {
		return nil, err
	}
	e := &Effects{conn: conn, shadow: s}
	if err := s.guarded(ctx, e); err != nil {
		e.release()
		return nil, fmt.Errorf("guard the shadow's transaction: %w", err)
	}
	return e, nil
}

// guarded begins the transaction. A handler that ends it by a statement of its own goes on where nothing can be written.
func (s *Shadow) guarded(ctx context.Context, e *Effects) (err error) {
	if e.writes, err = setReadOnly(ctx, e.conn, "on"); err != nil {
		return err
	}
	if e.Tx, err = e.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadWrite}); err != nil {
		return err
	}
	if err = s.guard(ctx, e); err != nil {
		_ = e.Tx.Rollback(context.WithoutCancel(ctx))
	}
	return err
}

func setReadOnly(ctx context.Context, conn *pgxpool.Conn, setting string) (before string, err error) {
	var now string
	err = conn.QueryRow(ctx, readOnlySQL, setting).Scan(&before, &now)
	return before, err
}

// release gives a shadow's connection back as it was, and else none.
func release(conn *pgxpool.Conn, writes string) {
	ctx, cancel := context.WithTimeout(context.Background(), releasePatience)
	defer cancel()
	if _, err := setReadOnly(ctx, conn, writes); err != nil {
		_ = conn.Conn().Close(ctx)
	}
	conn.Release()
}

// releasePatience bounds how long a connection that does not answer is waited for.
const releasePatience = 10 * time.Second

// guard sees to it that a transaction cannot commit.
func (s *Shadow) guard(ctx context.Context, e *Effects) error {
	if s.Effects != nil {
		if _, err := e.Exec(ctx, guardTableSQL); err != nil {
			return err
		}
	}
	_, err := e.Exec(ctx, s.guarding(guardSQL))
	return err
}

// guarding is a statement about the guard, which is in the shadow's schema; elsewhere there is none, and each transaction
// makes one of its own.
func (s *Shadow) guarding(sql string) string {
	if s.Effects == nil {
		return s.ledger.in(sql)
	}
	return migrations.In("pg_temp", sql)
}

// land ends a run whose effects are in this transaction.
func (s *Shadow) land(ctx context.Context, e *Effects, result Result) error {
	var batch pgx.Batch
	batch.Queue(s.guarding(unguardSQL))
	batch.Queue(constraintsSQL)
	err := e.SendBatch(ctx, &batch).Close()
	if undone := e.Tx.Rollback(context.WithoutCancel(ctx)); err == nil {
		err = undone
	}
	if err != nil {
		return fmt.Errorf("commit effects: %w", err)
	}
	return s.Finish(ctx, result)
}
