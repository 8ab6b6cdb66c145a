package oprun

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// ensuring is one request on its way to its run.
type ensuring struct {
	Request
	at     int  // its place among the caller's
	known  bool // the request has an id of its own
	tried  bool // its run could not be created a moment ago
	place  place
	db     DB
	answer Ensured
}

func newEnsuring(kind dedupe.ScopeKind, r Request) (e *ensuring, err error) {
	e = &ensuring{Request: r, known: r.ID != uuid.Nil}
	if got := r.Identity.Scope.Kind; got != kind {
		return e, fmt.Errorf("ensure run: the identity's scope is a %s, not a %s", got, kind)
	}
	if !e.known {
		e.ID, err = uuid.NewV7()
	}
	return e, err
}

// join settles a request that has not created its run at once, and reads the run that stands for it.
func (e *ensuring) join(ctx context.Context, db DB) error {
	id, created, err := e.standing(ctx, db)
	if err != nil {
		return e.failed(err)
	}
	run, err := readRun(ctx, db, id)
	if err == nil {
		e.answer = Ensured{run, created}
	}
	return err
}

func (e *ensuring) failed(err error) error {
	return fmt.Errorf("ensure run of %s: %w", e.Identity.Type, err)
}

// standing creates or joins, and records what a request with an id of its own joined.
func (e *ensuring) standing(ctx context.Context, db DB) (id uuid.UUID, created bool, err error) {
	e.db = db
	if e.place, err = resolve(ctx, db, e.Identity.Scope); err != nil {
		return uuid.Nil, false, err
	}
	id, created, err = e.settle(ctx)
	if err != nil || created || !e.known || id == e.ID {
		return id, created, err
	}
	_, err = db.Exec(ctx, recordDeliverySQL, e.ID, id, dedupe.Duplicate.String())
	return id, false, err
}

// settle creates, joins or reads, and begins again when the holder ended between two of these.
func (e *ensuring) settle(ctx context.Context) (id uuid.UUID, created bool, err error) {
	for {
		for _, step := range []struct {
			creates bool
			try     func(context.Context) (uuid.UUID, error)
		}{
			{false, e.made},
			{true, e.create},
			{false, e.joinQueued},
			{true, e.follow},
			{false, e.joinFollowUp},
			{false, e.readRunning},
			{false, e.past},
		} {
			if id, err = step.try(ctx); !errors.Is(err, pgx.ErrNoRows) {
				return id, step.creates && err == nil, err
			}
		}
	}
}

// made finds what an earlier sending of this request came to.
func (e *ensuring) made(ctx context.Context) (id uuid.UUID, err error) {
	if !e.known {
		return id, pgx.ErrNoRows
	}
	err = e.db.QueryRow(ctx, ensureMadeSQL, e.ID).Scan(&id)
	if err == nil {
		_, err = e.db.Exec(ctx, lendInputSQL, id, e.input())
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	var forgotten bool
	if err := e.db.QueryRow(ctx, forgottenSQL, e.ID).Scan(&forgotten); err != nil {
		return id, err
	}
	if forgotten {
		return id, ErrOlderThanRetention
	}
	return id, err
}

// create is left out the first time: who settles has tried it already.
func (e *ensuring) create(ctx context.Context) (id uuid.UUID, err error) {
	if e.tried {
		e.tried = false
		return id, pgx.ErrNoRows
	}
	return e.find(ctx, ensureNewSQL, newRunArgs([]*ensuring{e})...)
}

// row are the columns of a follow-up.
func (e *ensuring) row() []any {
	return []any{
		e.ID, e.place.workspace, e.place.tenant, e.Identity.Type, e.Identity.Hash[:], optional(e.RunAt),
		e.input(), cmp.Or(e.InitiatorName, systemInitiator), optional(e.InitiatorID),
		e.maxAttempts(),
	}
}

func (e *ensuring) maxAttempts() int { return cmp.Or(e.MaxAttempts, DefaultMaxAttempts) }

func (e *ensuring) input() string { return cmp.Or(string(e.Input), emptyInput) }

func (e *ensuring) context() string { return cmp.Or(string(e.Context), emptyContext) }

// joinQueued locks a queued owner, for share unless it wants the request's input as a spare: it starts after the caller's
// commit, and so covers the request (I6), and no longer depends on the stream.
func (e *ensuring) joinQueued(ctx context.Context) (uuid.UUID, error) {
	id, err := e.find(ctx, ensureLentSQL, e.place.workspace, e.place.tenant, e.Identity.Hash[:], e.input())
	if !errors.Is(err, pgx.ErrNoRows) {
		return id, err
	}
	return e.find(ctx, ensureQueuedSQL, e.place.workspace, e.place.tenant, e.Identity.Hash[:], false)
}

// follow waits behind an owner that is running.
func (e *ensuring) follow(ctx context.Context) (uuid.UUID, error) {
	if !e.Follows {
		return uuid.Nil, pgx.ErrNoRows
	}
	return e.find(ctx, ensureFollowUpSQL, append(e.row(), e.context())...)
}

func (e *ensuring) joinFollowUp(ctx context.Context) (uuid.UUID, error) {
	if !e.Follows {
		return uuid.Nil, pgx.ErrNoRows
	}
	return e.find(ctx, ensureQueuedSQL, e.place.workspace, e.place.tenant, e.Identity.Hash[:], true)
}

// readRunning takes a running owner for the request's run, unless the type follows up.
func (e *ensuring) readRunning(ctx context.Context) (uuid.UUID, error) {
	if e.Follows {
		return uuid.Nil, pgx.ErrNoRows
	}
	return e.find(ctx, ensureRunningSQL, e.place.workspace, e.place.tenant, e.Identity.Hash[:])
}

func (e *ensuring) past(ctx context.Context) (uuid.UUID, error) {
	return e.find(ctx, ensurePastSQL, e.place.workspace, e.Identity.Hash[:], e.Once, e.Cools)
}

func (e *ensuring) find(ctx context.Context, statement string, args ...any) (id uuid.UUID, err error) {
	err = e.db.QueryRow(ctx, statement, args...).Scan(&id)
	return id, err
}

// place is a scope's rows.
type place struct {
	workspace uuid.UUID
	tenant    *uuid.UUID
}

func resolve(ctx context.Context, db DB, scope dedupe.Scope) (p place, err error) {
	err = db.QueryRow(ctx, scopeSQL, scope.Kind == dedupe.TenantScope, scope.ID).Scan(&p.workspace, &p.tenant)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, fmt.Errorf("%s: %w", scope, ErrScopeUnknown)
	}
	return p, err
}

// optional returns nil, SQL's null, for a zero value.
func optional[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}
