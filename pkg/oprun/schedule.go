package oprun

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// LastFire returns when a schedule fired last; false when the ledger has never seen it.
func (l *Ledger) LastFire(ctx context.Context, schedule string) (fire time.Time, seen bool, err error) {
	err = l.db.QueryRow(ctx, lastFireSQL, schedule).Scan(&fire)
	if errors.Is(err, pgx.ErrNoRows) {
		return fire, false, nil
	}
	if err != nil {
		return fire, false, fmt.Errorf("read last fire of schedule %s: %w", schedule, err)
	}
	return fire, true, nil
}

// Fired records that a schedule has fired. An earlier time than the recorded one changes nothing.
func (l *Ledger) Fired(ctx context.Context, schedule string, fire time.Time) error {
	if _, err := l.db.Exec(ctx, firedSQL, schedule, fire); err != nil {
		return fmt.Errorf("record fire of schedule %s: %w", schedule, err)
	}
	return nil
}

// Firing is what a schedule's fire time makes: a run for each scope, of an identity that runs once.
type Firing struct {
	Identities  []dedupe.Identity // all of one type and one kind of scope
	Input       []byte
	Initiator   string
	MaxAttempts int
	Context     []byte // one JSON object, kept with each run
}

// Fire makes the runs that nobody has made yet, and returns how many these were. Suspended tenants get none. Any number of
// processes may fire the same time at once, or fire it again after a crash.
func (l *Ledger) Fire(ctx context.Context, f Firing) (created int, err error) {
	for part := range slices.Chunk(f.Identities, maxFiring) {
		args, err := f.args(part)
		if err != nil {
			return created, err
		}
		tag, err := l.db.Exec(ctx, fireSQL, args...)
		if err != nil {
			return created, fmt.Errorf("fire %d runs of %s: %w", len(part), part[0].Type, err)
		}
		created += int(tag.RowsAffected())
	}
	return created, nil
}

// maxFiring is how many runs one statement makes.
const maxFiring = 500

func (f Firing) args(part []dedupe.Identity) ([]any, error) {
	ids, scopes, hashes := make([]rawID, len(part)), make([]rawID, len(part)), make([][]byte, len(part))
	for i := range part {
		id, err := uuid.NewV7()
		if err != nil {
			return nil, err
		}
		ids[i], scopes[i], hashes[i] = rawID(id), rawID(part[i].Scope.ID), part[i].Hash[:]
	}
	return []any{
		ids, scopes, hashes, part[0].Scope.Kind == dedupe.TenantScope, part[0].Type,
		string(f.Input), f.Initiator, f.MaxAttempts, string(f.Context),
	}, nil
}
