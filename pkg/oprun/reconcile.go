package oprun

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Candidate is an active run that nobody holds: it is queued, or its lease has ended. Whether it should end is for its
// domain to say.
type Candidate struct {
	ID          uuid.UUID  `db:"id"`
	WorkspaceID uuid.UUID  `db:"workspace_id"`
	TenantID    *uuid.UUID `db:"tenant_id"` // the tenant's external id; nil: the workspace's own
	Type        string     `db:"type"`
	Status      string     `db:"status"` // queued, or running under a lease that has ended
	Attempt     int        `db:"attempt"`
	DispatchNo  int        `db:"dispatch_no"`
	DueAt       time.Time  `db:"due_at"`
	CreatedAt   time.Time  `db:"created_at"`
	StartedAt   *time.Time `db:"started_at"` // of its first attempt; nil: it never began
	Stale       bool       `db:"stale"`      // longer in its status than its type's stale_after
	Input       []byte     `db:"input"`      // nil: it is still only in the stream
}

// CandidateFilter selects what Candidates returns.
type CandidateFilter struct {
	Known   []string    // every run of these types is a candidate; of others only one that is likely stale
	Types   []string    // only these; none: all
	Tenants []uuid.UUID // only those of these tenants, by external id; none: all, and the workspaces' own
	After   Candidate   // the last one of the page before
	Limit   int         // zero: 50
}

// Candidates returns a page of the active runs that nobody holds, the longest due first. It locks nothing. A run whose
// next look was moved meanwhile may be on two pages.
func (l *Ledger) Candidates(ctx context.Context, f CandidateFilter) ([]Candidate, error) {
	rows, err := l.db.Query(ctx, candidatesSQL, f.After.DueAt, f.After.ID, f.Known, anyOf(f.Types), anyOf(f.Tenants), pageSize(f.Limit))
	if err != nil {
		return nil, fmt.Errorf("list candidates: %w", err)
	}
	page, err := pgx.CollectRows(rows, pgx.RowToStructByName[Candidate])
	if err != nil {
		return nil, fmt.Errorf("list candidates: %w", err)
	}
	return page, nil
}

// anyOf is a filter as a parameter: nothing chosen is null.
func anyOf[T any](chosen []T) any {
	if len(chosen) == 0 {
		return nil
	}
	return chosen
}
