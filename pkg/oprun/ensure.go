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

// Ensured is the run that stands for a request, as it was at that moment, and whether the request created it.
type Ensured struct {
	Run     Run
	Created bool
}

// DefaultMaxAttempts is how often a run is tried when its type says nothing.
const DefaultMaxAttempts = 5

// systemInitiator is who asked for a run when nobody says so.
const systemInitiator = "system"

// emptyInput is the input of a job that has none.
const emptyInput = "{}"

// emptyContext is what is kept with a run of which there is nothing more to know.
const emptyContext = "{}"

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

// EnsureAll is [Ledger.Ensure] for any number of requests, all of them in one transaction: answers[i] is about
// requests[i]. Of two that ask for the same identity the second joins the first. After an error none of them has made a run,
// unless [Unavailable] says that nobody knows.
func (l *Ledger) EnsureAll(ctx context.Context, requests []Request) (answers []Ensured, err error) {
	err = l.inTransaction(ctx, func(t *Tx) error {
		answers, err = t.EnsureAll(ctx, requests)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// ensure does it in one round trip when the request creates its run, and else in a transaction of its own. It may wait for
// callers' transactions, and so must not keep one of the ledger's own connections meanwhile.
func (l *Ledger) ensure(ctx context.Context, kind dedupe.ScopeKind, r Request) (run Run, created bool, err error) {
	e, err := newEnsuring(kind, r)
	if err != nil {
		return Run{}, false, err
	}
	// Without a transaction of our own the two statements of the pipeline are one. In a session whose isolation is
	// stricter than read committed it may fail to serialise: then nothing was written.
	if err = e.fresh(ctx, l.pool); err != nil && !hasCode(err, unserialisable) || e.answer.Created {
		return e.answer.Run, e.answer.Created, err
	}
	err = l.inTransaction(ctx, func(t *Tx) error { return e.join(ctx, t.db) })
	if err != nil {
		return Run{}, false, err
	}
	return e.answer.Run, e.answer.Created, nil
}

// inTransaction begins one on the caller's pool in which each statement sees what was committed before it.
func (l *Ledger) inTransaction(ctx context.Context, do func(t *Tx) error) error {
	return pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error { return do(l.On(tx)) })
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

// EnsureAll is [Ledger.EnsureAll] in the caller's transaction.
func (t *Tx) EnsureAll(ctx context.Context, requests []Request) ([]Ensured, error) {
	all := make([]*ensuring, len(requests))
	for i, r := range requests {
		e, err := newEnsuring(r.Identity.Scope.Kind, r)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		e.at, all[i] = i, e
	}
	if err := settleAll(ctx, t.db, all); err != nil {
		return nil, err
	}
	answers := make([]Ensured, len(all))
	for _, e := range all {
		answers[e.at] = e.answer
	}
	return answers, nil
}

func (t *Tx) ensure(ctx context.Context, kind dedupe.ScopeKind, r Request) (Run, bool, error) {
	e, err := newEnsuring(kind, r)
	if err == nil {
		err = e.fresh(ctx, t.db)
	}
	if err == nil && !e.answer.Created {
		err = e.join(ctx, t.db)
	}
	return e.answer.Run, e.answer.Created, err
}
