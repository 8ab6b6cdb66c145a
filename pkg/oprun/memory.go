package oprun

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"oprun.example/pkg/dedupe"
)

// Memory is what the ledger promises to know: every run that is not older.
type Memory struct {
	Since time.Time // requests from before may be forgotten; zero: none is yet
	Now   time.Time // the database's clock

	floor uuid.UUID
}

// Memory returns what the ledger promises to know now. It goes forward only, with retention ([Ledger.AdvanceHorizon]).
func (l *Ledger) Memory(ctx context.Context) (m Memory, err error) {
	var since *time.Time
	if err := l.db.QueryRow(ctx, memorySQL).Scan(&m.floor, &since, &m.Now); err != nil {
		return m, fmt.Errorf("read retention horizon: %w", err)
	}
	if since != nil {
		m.Since = *since
	}
	return m, nil
}

// Covers reports whether a request from this time, or its run, if the ledger has had it, is known. A claim goes by the run's
// id alone; whoever sends an old request again should go by both, because an id need not be dated.
func (m Memory) Covers(acceptedAt time.Time, run uuid.UUID) bool {
	dated := run[0]|run[1]|run[2]|run[3]|run[4]|run[5] != 0
	return !acceptedAt.Before(m.Since) && (!dated || string(run[:]) >= string(m.floor[:]))
}

// Knows reports whether the ledger knows a scope, active or suspended.
func (l *Ledger) Knows(ctx context.Context, scope dedupe.Scope) (bool, error) {
	rows, err := l.db.Query(ctx, scopeSQL, scope.Kind == dedupe.TenantScope, scope.ID)
	if err != nil {
		return false, fmt.Errorf("look for %s: %w", scope, err)
	}
	defer rows.Close()
	known := rows.Next()
	if rows.Close(); rows.Err() != nil {
		return false, fmt.Errorf("look for %s: %w", scope, rows.Err())
	}
	return known, nil
}
