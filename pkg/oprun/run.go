package oprun

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"oprun.example/pkg/dedupe"
)

// Run is one row of the ledger as people and programs see it: all but the input and the claim token.
type Run struct {
	ID                uuid.UUID        `db:"id" json:"id"`
	WorkspaceID       uuid.UUID        `db:"workspace_id" json:"workspace_id"`
	TenantID          *uuid.UUID       `db:"tenant_id" json:"tenant_id"` // the tenant's external id; nil: the workspace's own
	Type              string           `db:"type" json:"type"`
	IdentityHash      string           `db:"identity_hash" json:"identity_hash"` // hex
	FollowUp          bool             `db:"follow_up" json:"follow_up"`
	Once              bool             `db:"once" json:"once"`
	Status            string           `db:"status" json:"status"` // queued, running, completed
	Outcome           Outcome          `db:"outcome" json:"outcome"`
	Attempt           int              `db:"attempt" json:"attempt"`
	MaxAttempts       int              `db:"max_attempts" json:"max_attempts"`
	ClaimedBy         *uuid.UUID       `db:"claimed_by" json:"claimed_by"`
	LeaseExpiresAt    *time.Time       `db:"lease_expires_at" json:"lease_expires_at"`
	RunAt             time.Time        `db:"run_at" json:"run_at"`
	DispatchNo        int              `db:"dispatch_no" json:"dispatch_no"`
	PublishedSeq      *int64           `db:"published_seq" json:"published_seq"` // where its last publication stands in the stream
	DueAt             *time.Time       `db:"due_at" json:"due_at"`               // nil: it has ended, or is parked until its tenant resumes
	OriginStream      *string          `db:"origin_stream" json:"origin_stream"`
	OriginSeq         *int64           `db:"origin_seq" json:"origin_seq"`
	OriginTime        *time.Time       `db:"origin_time" json:"origin_time"`
	InitiatorName     string           `db:"initiator_name" json:"initiator_name"`
	InitiatorID       *uuid.UUID       `db:"initiator_id" json:"initiator_id"`
	SummaryCounts     map[string]int64 `db:"summary_counts" json:"summary_counts"`
	FailureSummary    []Failure        `db:"failure_summary" json:"failure_summary"`
	Context           json.RawMessage  `db:"context" json:"context"`
	CooldownUntil     *time.Time       `db:"cooldown_until" json:"cooldown_until"`
	CancelRequestedAt *time.Time       `db:"cancel_requested_at" json:"cancel_requested_at"`
	CreatedAt         time.Time        `db:"created_at" json:"created_at"`
	StartedAt         *time.Time       `db:"started_at" json:"started_at"`
	CompletedAt       *time.Time       `db:"completed_at" json:"completed_at"`
	UpdatedAt         time.Time        `db:"updated_at" json:"updated_at"`
	Freshness         Freshness        `db:"freshness" json:"freshness"`
	Problem           Problem          `db:"problem" json:"problem"`
}

// LogValue shows what a log line needs of a run, spelt as a worker spells it of an attempt.
func (r Run) LogValue() slog.Value {
	return slog.GroupValue(slog.String("run_id", r.ID.String()), slog.String("job_type", r.Type),
		slog.String("scope", r.Scope().String()), slog.Int("attempt", r.Attempt))
}

// Scope returns whose run it is: its tenant's, or its workspace's own.
func (r Run) Scope() dedupe.Scope {
	if r.TenantID != nil {
		return dedupe.Tenant(*r.TenantID)
	}
	return dedupe.Workspace(r.WorkspaceID)
}

// Parked reports whether the run waits for its suspended tenant to be resumed.
func (r Run) Parked() bool { return r.Status == "queued" && r.DueAt == nil }

// Attempt is one recorded attempt of a run.
type Attempt struct {
	Attempt   int           `db:"attempt" json:"attempt"`
	ClaimedBy *uuid.UUID    `db:"claimed_by" json:"claimed_by"`
	Result    AttemptResult `db:"result" json:"result"`
	Error     string        `db:"error" json:"error,omitempty"`
	Cause     Cause         `db:"cause" json:"cause,omitempty"` // who stopped an attempt that was cancelled
	EndedAt   time.Time     `db:"ended_at" json:"ended_at"`
}

// Run returns one run, or ErrNotFound.
func (l *Ledger) Run(ctx context.Context, id uuid.UUID) (Run, error) { return readRun(ctx, l.db, id) }

// RunsByID returns those of these runs that the ledger has, in no order.
func (l *Ledger) RunsByID(ctx context.Context, ids []uuid.UUID) ([]Run, error) {
	keys := make([]pgtype.UUID, len(ids))
	for i, id := range ids {
		keys[i] = idOf(id)
	}
	return readRuns(ctx, l.db, keys)
}

func readRun(ctx context.Context, db DB, id uuid.UUID) (Run, error) {
	runs, err := readRuns(ctx, db, []pgtype.UUID{idOf(id)})
	if err == nil && len(runs) == 0 {
		err = pgx.ErrNoRows
	}
	if err != nil {
		return Run{}, orNotFound(err, "run", id)
	}
	return runs[0], nil
}

func readRuns(ctx context.Context, db DB, ids []pgtype.UUID) ([]Run, error) {
	rows, err := db.Query(ctx, runSQL, ids)
	if err != nil {
		return nil, fmt.Errorf("read %d runs: %w", len(ids), err)
	}
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Run])
	if err != nil {
		return nil, fmt.Errorf("read %d runs: %w", len(ids), err)
	}
	return runs, nil
}

// Attempts returns the recorded attempts of a run, oldest first: all attempts but one that succeeded first time.
func (l *Ledger) Attempts(ctx context.Context, runID uuid.UUID) ([]Attempt, error) {
	rows, err := l.db.Query(ctx, attemptsSQL, runID)
	if err != nil {
		return nil, fmt.Errorf("read attempts of run %s: %w", runID, err)
	}
	attempts, err := pgx.CollectRows(rows, pgx.RowToStructByName[Attempt])
	if err != nil {
		return nil, fmt.Errorf("read attempts of run %s: %w", runID, err)
	}
	return attempts, nil
}
