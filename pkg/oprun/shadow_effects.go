package oprun

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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
	e, err := beginOn(ctx, cmp.Or(s.Effects, s.real.pool))
	if err != nil {
		return nil, err
	}
	if err := s.guard(ctx, e); err != nil {
		_ = e.Rollback(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("guard the shadow's transaction: %w", err)
	}
	e.shadow = s
	return e, nil
}

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
