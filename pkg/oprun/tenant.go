package oprun

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// WorkspaceInfo is a workspace of the ledger.
type WorkspaceInfo struct {
	ID        uuid.UUID `db:"id" json:"id"`
	Name      string    `db:"name" json:"name"`
	CreatedAt time.Time `db:"created_at" json:"created_at"`
}

// TenantInfo is a tenant of the ledger. ExternalID is how messages and other systems name it.
type TenantInfo struct {
	ID          uuid.UUID `db:"id" json:"id"`
	WorkspaceID uuid.UUID `db:"workspace_id" json:"workspace_id"`
	ExternalID  uuid.UUID `db:"external_id" json:"external_id"`
	Label       string    `db:"label" json:"label"`
	Status      string    `db:"status" json:"status"` // active, suspended
	CreatedAt   time.Time `db:"created_at" json:"created_at"`
}

// AddWorkspace returns the workspace of this name, and whether this call made it.
func (l *Ledger) AddWorkspace(ctx context.Context, name string) (WorkspaceInfo, bool, error) {
	type row struct {
		WorkspaceInfo
		Created bool `db:"created"`
	}
	r, err := addNamed[row](ctx, l.db, addWorkspaceSQL, name)
	if err != nil {
		return WorkspaceInfo{}, false, fmt.Errorf("add workspace %q: %w", name, err)
	}
	return r.WorkspaceInfo, r.Created, nil
}

// AddTenant returns the workspace's tenant of this label, and whether this call made it. The external id is a fresh
// UUID v4, made by the database.
func (l *Ledger) AddTenant(ctx context.Context, workspace uuid.UUID, label string) (TenantInfo, bool, error) {
	type row struct {
		TenantInfo
		Created bool `db:"created"`
	}
	r, err := addNamed[row](ctx, l.db, addTenantSQL, workspace, label)
	if err != nil {
		return TenantInfo{}, false, fmt.Errorf("add tenant %q: %w", label, err)
	}
	return r.TenantInfo, r.Created, nil
}

// addNamed runs an add statement under a new id. The statement sees no row that another process added while it
// ran; a second look does.
func addNamed[T any](ctx context.Context, db DB, statement string, args ...any) (row T, err error) {
	for range 2 {
		id, err := uuid.NewV7()
		if err != nil {
			return row, err
		}
		rows, err := db.Query(ctx, statement, append([]any{id}, args...)...)
		if err != nil {
			return row, err
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[T])
		if err != nil || len(found) > 0 {
			return first(found), err
		}
	}
	return row, ErrNotFound
}

func first[T any](list []T) (value T) {
	if len(list) > 0 {
		value = list[0]
	}
	return value
}

// Tenants returns every tenant, by label.
func (l *Ledger) Tenants(ctx context.Context) ([]TenantInfo, error) {
	rows, err := l.db.Query(ctx, tenantsSQL)
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowToStructByName[TenantInfo])
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return tenants, nil
}

// Workspaces returns every workspace, by name.
func (l *Ledger) Workspaces(ctx context.Context) ([]WorkspaceInfo, error) {
	rows, err := l.db.Query(ctx, workspacesSQL)
	if err != nil {
		return nil, fmt.Errorf("list workspaces: %w", err)
	}
	workspaces, err := pgx.CollectRows(rows, pgx.RowToStructByName[WorkspaceInfo])
	if err != nil {
		return nil, fmt.Errorf("list workspaces: %w", err)
	}
	return workspaces, nil
}

// Suspend keeps a tenant's jobs from running: those that come are parked in the ledger with their input. Runs that are
// running go on. The error is ErrNotFound for an unknown tenant.
func (l *Ledger) Suspend(ctx context.Context, externalID uuid.UUID) (TenantInfo, error) {
	return setStatus(ctx, l.pool, externalID, "suspended")
}

// Resume lets a suspended tenant's jobs run again, the parked ones at once. It returns how many were parked.
func (l *Ledger) Resume(ctx context.Context, externalID uuid.UUID) (tenant TenantInfo, parked int, err error) {
	err = pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		if tenant, err = setStatus(ctx, tx, externalID, "active"); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, unparkSQL, tenant.ID)
		parked = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return TenantInfo{}, 0, err
	}
	return tenant, parked, nil
}

func setStatus(ctx context.Context, db DB, externalID uuid.UUID, status string) (TenantInfo, error) {
	rows, err := db.Query(ctx, tenantStatusSQL, externalID, status)
	if err != nil {
		return TenantInfo{}, fmt.Errorf("set status of tenant %s: %w", externalID, err)
	}
	tenant, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[TenantInfo])
	return tenant, orNotFound(err, "tenant", externalID)
}

// SeedWorkspace and SeedTenant are what Seed finds its rows by.
const (
	SeedWorkspace = "demo"
	SeedTenant    = "demo"
)

// Seed returns the demo workspace and its demo tenant, made when they are missing. Label names the tenant; empty
// means SeedTenant. A label is never an identity: the tenant's external id is always generated.
func (l *Ledger) Seed(ctx context.Context, label string) (WorkspaceInfo, TenantInfo, error) {
	if label == "" {
		label = SeedTenant
	}
	workspace, _, err := l.AddWorkspace(ctx, SeedWorkspace)
	if err != nil {
		return WorkspaceInfo{}, TenantInfo{}, err
	}
	tenant, _, err := l.AddTenant(ctx, workspace.ID, label)
	return workspace, tenant, err
}
