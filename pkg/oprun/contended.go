package oprun

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// How long statements of ours wait for locks. All of it is far below Postgres' deadlock_timeout (1 s), so that in a
// deadlock with a caller's transaction it is never the caller who loses.
const (
	laneWait  = 500 * time.Millisecond // the limit of our sessions, for whatever sets none of its own
	firstWait = 100 * time.Millisecond // our neighbours' statements commit sooner
	partWait  = 10 * time.Millisecond  // once it is known that somebody keeps the lock for longer
	parts     = 8                      // a batch of 512 has its blocked ones alone after three splits
)

// apart sends a batch; while locks that it needs are not to be had it sends parts of it instead, until whatever is
// blocked stands alone: one transaction that stays open must not hold up its neighbours' batch.
func apart[T any](batch []T, send func(part []T, wait time.Duration) error, blocked func(T)) error {
	if len(batch) == 0 {
		return nil
	}
	return split(batch, firstWait, send, blocked)
}

func split[T any](batch []T, wait time.Duration, send func([]T, time.Duration) error, blocked func(T)) error {
	err := send(batch, wait)
	if !hasCode(err, lockTimeout, deadlock) {
		return err
	}
	if len(batch) == 1 {
		blocked(batch[0])
		return nil
	}
	for part := range slices.Chunk(batch, (len(batch)+parts-1)/parts) {
		if err := split(part, partWait, send, blocked); err != nil {
			return err
		}
	}
	return nil
}

// whole sends a statement for a whole batch, which the session's own limit bounds; for a part of one it is impatient.
// The follow-ups of runs that it ends are promoted with it.
func (l *Ledger) whole(ctx context.Context, wait time.Duration, followed []rawID, sql string, args []any, read func(pgx.Rows) error) error {
	if wait != firstWait || len(followed) > 0 {
		return l.promoting(ctx, wait, followed, sql, args, read)
	}
	rows, err := l.db.Query(ctx, l.in(sql), args...)
	if err != nil {
		return err
	}
	return read(rows)
}

// impatient sends a statement that gives up when it has waited this long for a lock. The limit is pipelined with
// the statement: both are one transaction, in one round trip.
func (l *Ledger) impatient(ctx context.Context, wait time.Duration, sql string, args []any, read func(pgx.Rows) error) error {
	return l.promoting(ctx, wait, nil, sql, args, read)
}

// promoting is impatient, and in the same transaction hands the places of those of the runs that ended to the
// follow-ups that wait behind them.
func (l *Ledger) promoting(ctx context.Context, wait time.Duration, followed []rawID, sql string, args []any, read func(pgx.Rows) error) error {
	var batch pgx.Batch
	batch.Queue(lockTimeoutSQL, wait.String())
	batch.Queue(l.in(sql), args...).Query(read)
	if len(followed) > 0 {
		batch.Queue(l.in(promoteSQL), followed)
	}
	return l.db.SendBatch(ctx, &batch).Close()
}
