package oprun

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// RunFilter selects runs; zero fields select all.
type RunFilter struct {
	Before  uuid.UUID // the last id of the page before
	Status  string
	Outcome Outcome
	Type    string
	Tenant  uuid.UUID // external id
	Since   time.Time // created at or after
	Limit   int       // zero: 50

	Freshness Freshness
	Problem   Problem
}

// Runs returns a page of runs, newest first, from one snapshot and on a connection of the caller's pool.
//
// What it reads is in proportion to the page and not to what the ledger keeps, with these exceptions: every active run
// (of the tenant, if one is named) is read when the newest thousand runs do not fill the page; a few entries are read for
// each type and tenant that has ended runs to select from; and Since goes by the row's own time, which ids do not tell.
// With it up to a hundred thousand rows made since then may be read; and when there are more, and fewer than a page of
// them match, all runs that match otherwise.
func (l *Ledger) Runs(ctx context.Context, f RunFilter) (runs []Run, err error) {
	err = l.readPages(ctx, func(tx pgx.Tx) error {
		runs, err = f.newest(ctx, tx)
		if err != nil || len(runs) == pageSize(f.Limit) {
			return err
		}
		ids, err := f.find(ctx, tx)
		if err != nil {
			return err
		}
		runs, err = collect(ctx, tx, pgx.RowToStructByName[Run], runsByIDSQL, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	return runs, nil
}

// readPages runs read with the settings and the single snapshot that pages are read with.
func (l *Ledger) readPages(ctx context.Context, read func(tx pgx.Tx) error) error {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, l.pool, options, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, pageSettingsSQL, true); err != nil {
			return err
		}
		return read(tx)
	})
}

// window is how many of the newest runs are tried first. Most pages are full within it.
const window = 1000

// newest returns what the newest runs hold of the page.
func (f RunFilter) newest(ctx context.Context, tx pgx.Tx) ([]Run, error) {
	return collect(ctx, tx, pgx.RowToStructByName[Run], runsSQL, optional(f.Before), optional(f.Status), optional(f.Outcome),
		optional(f.Type), optional(f.Tenant), optional(f.Since), optional(f.Freshness), optional(f.Problem), pageSize(f.Limit), window)
}

// find returns the ids of the page: the newest of all classes of runs that the filter admits.
func (f RunFilter) find(ctx context.Context, tx pgx.Tx) ([]uuid.UUID, error) {
	before, kind, tenant, since, limit := optional(f.Before), optional(f.Type), optional(f.Tenant), optional(f.Since), pageSize(f.Limit)
	var page []uuid.UUID
	if f.admitsActive() {
		ids, err := collect(ctx, tx, pgx.RowTo[uuid.UUID], runsActiveSQL, before, optional(f.Status), kind, tenant, since,
			optional(f.Freshness), optional(f.Problem), limit)
		if err != nil {
			return nil, err
		}
		page = ids
	}
	succeeded, unwell := f.admitsEnded()
	if !succeeded && len(unwell) == 0 {
		return page, nil
	}
	floor, err := f.floor(ctx, tx)
	if err != nil {
		return nil, err
	}
	if succeeded {
		ids, err := collect(ctx, tx, pgx.RowTo[uuid.UUID], runsSucceededSQL, before, kind, tenant, since, floor, limit)
		if err != nil {
			return nil, err
		}
		page = append(page, ids...)
	}
	var ids []uuid.UUID
	switch {
	case len(unwell) == 0: // nothing but successes
	case kind == nil && tenant == nil:
		ids, err = collect(ctx, tx, pgx.RowTo[uuid.UUID], runsUnwellSQL, before, unwell, since, floor, limit)
	default:
		ids, err = collect(ctx, tx, pgx.RowTo[uuid.UUID], runsInScopeSQL, before, unwell, kind, tenant, since, floor, limit)
	}
	if err != nil {
		return nil, err
	}
	page = append(page, ids...)
	slices.SortFunc(page, func(a, b uuid.UUID) int { return bytes.Compare(b[:], a[:]) })
	return page[:min(limit, len(page))], nil
}

// admitsActive reports whether an active run can pass the filter.
func (f RunFilter) admitsActive() bool {
	return f.Status != "completed" && (f.Outcome == "" || f.Outcome == Pending) &&
		(f.Freshness == "" || f.Freshness == FreshActive || f.Freshness == LikelyStale || f.Freshness == UnknownFreshness) &&
		(f.Problem == "" || f.Problem == NoProblem || f.Problem == ActiveStaleAttention)
}

// reconciled is the way of having ended that the indexes tell from other failures (runs_unwell.sql).
const reconciled = "reconciled"

// admitsEnded tells which runs that have ended pass the filter, type, tenant and time apart: those that succeeded, and
// in which other ways. It is exact: what an ended run is called follows from how it ended.
func (f RunFilter) admitsEnded() (succeeded bool, unwell []string) {
	if f.Status != "" && f.Status != "completed" {
		return false, nil
	}
	for _, way := range []string{string(Succeeded), string(PartiallySucceeded), string(Blocked), string(Failed), string(Cancelled), reconciled} {
		outcome, freshness, problem := Outcome(way), TerminalNormal, TerminalFollowUp
		if way == reconciled {
			outcome, freshness = Failed, ReconciledFailed
		}
		if outcome == Succeeded || outcome == Cancelled {
			problem = NoProblem
		}
		if f.Outcome != "" && f.Outcome != outcome || f.Freshness != "" && f.Freshness != freshness || f.Problem != "" && f.Problem != problem {
			continue
		}
		if outcome == Succeeded {
			succeeded = true
			continue
		}
		unwell = append(unwell, way)
	}
	return succeeded, unwell
}

// fewSince is how many rows made since a time are read for the lowest of their ids.
const fewSince = 100_000

// floor returns an id that no ended run made since the filter's time is below; zero when that would take long to find.
func (f RunFilter) floor(ctx context.Context, tx pgx.Tx) (floor uuid.UUID, err error) {
	if f.Since.IsZero() {
		return uuid.Nil, nil
	}
	if _, err := tx.Exec(ctx, pageSettingsSQL, false); err != nil {
		return uuid.Nil, err
	}
	var seen int
	if err := tx.QueryRow(ctx, runsFloorSQL, f.Since, fewSince+1).Scan(&seen, &floor); err != nil {
		return uuid.Nil, err
	}
	if seen > fewSince {
		floor = uuid.Nil
	}
	_, err = tx.Exec(ctx, pageSettingsSQL, true)
	return floor, err
}

// collect reads all rows of one statement.
func collect[T any](ctx context.Context, tx pgx.Tx, row pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, row)
}
