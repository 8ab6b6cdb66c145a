package oprun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// Request asks for a run of an identity.
type Request struct {
	Identity      dedupe.Identity
	Input         []byte    // one JSON object; empty: {}
	RunAt         time.Time // zero: now
	InitiatorName string    // empty: system; a snapshot, which a later request never overwrites
	InitiatorID   uuid.UUID // zero: none
	MaxAttempts   int       // zero: DefaultMaxAttempts
}

// DefaultMaxAttempts is how often a run is tried when its type says nothing.
const DefaultMaxAttempts = 5

// systemInitiator is who asked for a run when nobody says so.
const systemInitiator = "system"

// EnsureRunWithIdentity returns the active run of a tenant's identity, and whether this call created it. When the
// identity is taken, the run that holds it is returned as it is: its initiator and input stay.
//
// The error is ErrScopeUnknown for a tenant that the ledger does not know. It waits for another transaction that
// is about to create the same identity, on a connection of the caller's pool; a handler that has a transaction open
// uses [Ledger.On].
func (l *Ledger) EnsureRunWithIdentity(ctx context.Context, r Request) (run Run, created bool, err error) {
	return l.ensure(ctx, dedupe.TenantScope, r)
}

// EnsureWorkspaceRunWithIdentity is EnsureRunWithIdentity for runs that belong to a workspace and to no tenant.
func (l *Ledger) EnsureWorkspaceRunWithIdentity(ctx context.Context, r Request) (run Run, created bool, err error) {
	return l.ensure(ctx, dedupe.WorkspaceScope, r)
}

// ensure does it in a transaction of its own. It may wait for callers' transactions, and so must not keep one of the
// ledger's own connections meanwhile. Each of its statements has to see what was committed before it.
func (l *Ledger) ensure(ctx context.Context, kind dedupe.ScopeKind, r Request) (run Run, created bool, err error) {
	err = pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		run, created, err = l.On(tx).ensure(ctx, kind, r)
		return err
	})
	if err != nil {
		return Run{}, false, err
	}
	return run, created, nil
}

// EnsureRunWithIdentity does it in the caller's transaction: the run exists when that commits. A queued run that it
// joined cannot start before then.
func (t *Tx) EnsureRunWithIdentity(ctx context.Context, r Request) (Run, bool, error) {
	return t.ensure(ctx, dedupe.TenantScope, r)
}

// EnsureWorkspaceRunWithIdentity is EnsureRunWithIdentity for a workspace's identity.
func (t *Tx) EnsureWorkspaceRunWithIdentity(ctx context.Context, r Request) (Run, bool, error) {
	return t.ensure(ctx, dedupe.WorkspaceScope, r)
}

func (t *Tx) ensure(ctx context.Context, kind dedupe.ScopeKind, r Request) (Run, bool, error) {
	if got := r.Identity.Scope.Kind; got != kind {
		return Run{}, false, fmt.Errorf("ensure run: the identity's scope is a %s, not a %s", got, kind)
	}
	id, created, err := t.ensureID(ctx, r)
	if err != nil {
		return Run{}, false, fmt.Errorf("ensure run of %s: %w", r.Identity.Type, err)
	}
	run, err := readRun(ctx, t.db, id)
	return run, created, err
}

// ensureID creates, joins or reads, and begins again when the holder ended between two of these.
func (t *Tx) ensureID(ctx context.Context, r Request) (id uuid.UUID, created bool, err error) {
	where, err := t.resolve(ctx, r.Identity.Scope)
	if err != nil {
		return uuid.Nil, false, err
	}
	for {
		id, err = t.create(ctx, where, r)
		if !errors.Is(err, pgx.ErrNoRows) {
			return id, true, err
		}
		for _, statement := range []string{ensureQueuedSQL, ensureRunningSQL} {
			err = t.db.QueryRow(ctx, statement, where.workspace, where.tenant, r.Identity.Hash[:]).Scan(&id)
			if !errors.Is(err, pgx.ErrNoRows) {
				return id, false, err
			}
		}
	}
}

// place is a scope's rows.
type place struct {
	workspace uuid.UUID
	tenant    *uuid.UUID
}

func (t *Tx) resolve(ctx context.Context, scope dedupe.Scope) (p place, err error) {
	err = t.db.QueryRow(ctx, scopeSQL, scope.Kind == dedupe.TenantScope, scope.ID).Scan(&p.workspace, &p.tenant)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, fmt.Errorf("%s: %w", scope, ErrScopeUnknown)
	}
	return p, err
}

func (t *Tx) create(ctx context.Context, where place, r Request) (id uuid.UUID, err error) {
	newID, err := uuid.NewV7()
	if err != nil {
		return id, err
	}
	input := string(r.Input)
	err = t.db.QueryRow(ctx, ensureNewSQL, newID, where.workspace, where.tenant, r.Identity.Type, r.Identity.Hash[:],
		optional(r.RunAt), cmp.Or(input, "{}"), cmp.Or(r.InitiatorName, systemInitiator), optional(r.InitiatorID),
		cmp.Or(r.MaxAttempts, DefaultMaxAttempts)).Scan(&id)
	return id, err
}

// optional returns nil, SQL's null, for a zero value.
func optional[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
