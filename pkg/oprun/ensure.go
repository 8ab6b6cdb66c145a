package oprun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// Request asks for a run of an identity.
type Request struct {
	// ID is the run id that the request's occurrence derives, when the request has an id of its own: asked for twice,
	// it is one request. Zero: every call is a request of its own.
	ID            uuid.UUID
	Identity      dedupe.Identity
	Input         []byte          // one JSON object; empty: {}
	RunAt         time.Time       // zero: now
	InitiatorName string          // empty: system; a snapshot, which a later request never overwrites
	InitiatorID   uuid.UUID       // zero: none
	MaxAttempts   int             // zero: DefaultMaxAttempts
	Once          bool            // the identity runs once, for as long as the ledger keeps the run
	Cools         bool            // a success of the identity keeps it from running again for a while
	Follows       bool            // behind an owner that is running, the request waits for a run of its own
	Context       json.RawMessage // one JSON object, kept with the run; empty: {}
}

// DefaultMaxAttempts is how often a run is tried when its type says nothing.
const DefaultMaxAttempts = 5

// systemInitiator is who asked for a run when nobody says so.
const systemInitiator = "system"

// emptyInput is the input of a job that has none.
const emptyInput = "{}"

// ErrOlderThanRetention says that a request is so old that the ledger may have forgotten its run.
var ErrOlderThanRetention = errors.New("the request is older than what the ledger keeps")

// EnsureRunWithIdentity returns the run that stands for a request of a tenant's, and whether this call created it. When
// the identity is taken, that is the run that holds it, as it is: its initiator and input stay. It may have ended, when
// the request was made before, its identity runs once, or cools down.
//
// The error is ErrScopeUnknown for a tenant that the ledger does not know, and ErrOlderThanRetention for a request with
// an ID that is too old. It waits for another transaction that is about to create the same identity, on a connection of
// the caller's pool; a handler that has a transaction open uses [Ledger.On].
func (l *Ledger) EnsureRunWithIdentity(ctx context.Context, r Request) (run Run, created bool, err error) {
	return l.ensure(ctx, dedupe.TenantScope, r)
}

// EnsureWorkspaceRunWithIdentity is EnsureRunWithIdentity for runs that belong to a workspace and to no tenant.
func (l *Ledger) EnsureWorkspaceRunWithIdentity(ctx context.Context, r Request) (run Run, created bool, err error) {
	return l.ensure(ctx, dedupe.WorkspaceScope, r)
}

// Ensure is EnsureRunWithIdentity or EnsureWorkspaceRunWithIdentity, as the identity's scope says.
func (l *Ledger) Ensure(ctx context.Context, r Request) (run Run, created bool, err error) {
	return l.ensure(ctx, r.Identity.Scope.Kind, r)
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

// Ensure is EnsureRunWithIdentity or EnsureWorkspaceRunWithIdentity, as the identity's scope says.
func (t *Tx) Ensure(ctx context.Context, r Request) (Run, bool, error) {
	return t.ensure(ctx, r.Identity.Scope.Kind, r)
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

// ensureID creates or joins, and records what a request with an id of its own joined.
func (t *Tx) ensureID(ctx context.Context, r Request) (id uuid.UUID, created bool, err error) {
	e := ensuring{Tx: t, Request: r}
	if e.place, err = t.resolve(ctx, r.Identity.Scope); err != nil {
		return uuid.Nil, false, err
	}
	if e.known = r.ID != uuid.Nil; !e.known {
		if e.ID, err = uuid.NewV7(); err != nil {
			return uuid.Nil, false, err
		}
	}
	id, created, err = e.settle(ctx)
	if err != nil || created || !e.known || id == r.ID {
		return id, created, err
	}
	_, err = t.db.Exec(ctx, recordDeliverySQL, r.ID, id, dedupe.Duplicate.String())
	return id, false, err
}
