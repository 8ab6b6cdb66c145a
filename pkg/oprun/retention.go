package oprun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// expiredPage is how many rows one transaction of retention looks at.
const expiredPage = 500

// Expiry is what a retention run found and did.
type Expiry struct{ Runs, Deliveries, Letters Expired }

// Expired counts rows of one kind that are older than retention. Candidates that were not deleted are kept: runs that
// happen once for a natural key, and rows that somebody else had locked.
type Expired struct{ Candidates, Deleted int }

// DeleteExpired deletes what is older than retention: terminal runs with their attempts, recorded deliveries, and dead
// letters that were requeued. It goes by the horizon that AdvanceHorizon has published a minute ago or longer, and
// before that deletes nothing: a claim that has not heard of the horizon yet could run a deleted run once more.
//
// It works in small transactions, in the order of ids, and rests behind each for as long as that took, so that it takes
// no more than half of a processor from those who work; it stops between two of them when the context ends, and what it
// then returns has been done. Limit is how many runs it deletes at most; zero: all. Asked for a dry run it counts what
// it would do. Several may run at once.
func (l *Ledger) DeleteExpired(ctx context.Context, limit int, dryRun bool) (e Expiry, err error) {
	h := horizon{dryRun: dryRun}
	err = l.db.QueryRow(ctx, horizonSQL).Scan(&h.floor, &h.keptSince)
	if errors.Is(err, pgx.ErrNoRows) {
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("read retention horizon: %w", err)
	}
	// Deliveries first: none is to name a run that is gone.
	if e.Deliveries, err = l.deleteBelow(ctx, h, 0, deleteSeenSQL); err != nil {
		return e, fmt.Errorf("delete expired deliveries: %w", err)
	}
	if e.Runs, err = l.deleteBelow(ctx, h, limit, deleteRunsSQL); err != nil {
		return e, fmt.Errorf("delete expired runs: %w", err)
	}
	if e.Letters, err = l.deleteBelow(ctx, h, 0, deleteLettersSQL); err != nil {
		return e, fmt.Errorf("delete expired dead letters: %w", err)
	}
	return e, nil
}

// horizon is what rows are judged by.
type horizon struct {
	floor     uuid.UUID
	keptSince time.Time
	dryRun    bool
}

// deleteBelow walks the ids of one table, so that rows which stay are looked at once.
func (l *Ledger) deleteBelow(ctx context.Context, h horizon, limit int, sql string) (sum Expired, err error) {
	after, seen, page := uuid.Nil, 0, 0
	for seen == page && (limit == 0 || sum.Deleted < limit) {
		began := time.Now()
		page = expiredPage
		if limit > 0 {
			page = min(page, limit-sum.Deleted)
		}
		var last *uuid.UUID // nil: the page is empty
		var found Expired
		err := l.db.QueryRow(ctx, sql, after, h.floor, h.keptSince, page, !h.dryRun).
			Scan(&last, &seen, &found.Candidates, &found.Deleted)
		if err != nil {
			return sum, err
		}
		sum.Candidates += found.Candidates
		sum.Deleted += found.Deleted
		if last != nil {
			after = *last
		}
		if found.Deleted > 0 {
			rest(ctx, time.Since(began))
		}
	}
	return sum, nil
}

// rest waits, at most until the context ends.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// AdvanceHorizon publishes that the ledger keeps runs for so long, and no longer: an occurrence that is older is
// rejected from now on, and the next DeleteExpired may delete it. The horizon never goes back, and moves once a minute
// at most; the answer tells whether it did.
func (l *Ledger) AdvanceHorizon(ctx context.Context, retention time.Duration) (bool, error) {
	tag, err := l.db.Exec(ctx, advanceSQL, millis(retention))
	if err != nil {
		return false, fmt.Errorf("advance retention horizon: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}
