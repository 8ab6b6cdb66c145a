package oprun

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Stats are figures of the whole ledger: what one process reads, every other would read as well.
type Stats struct {
	Active   []ActiveStats
	Problems []ProblemStats // those of active runs, and those of the newest runs that have ended
	RelayDue int            // queued runs that wait for a relay to publish them now
}

// ActiveStats are the active runs of one type.
type ActiveStats struct {
	Type            string
	Queued, Running int

	// When the oldest was created that is queued and not parked, and that is running; zero: there is none.
	OldestQueued, OldestRunning time.Time
}

// ProblemStats are the runs of one type that have a problem.
type ProblemStats struct {
	Type    string
	Problem Problem
	Runs    int
}

// What is read for figures, at most: where there is more, they are the least that it can be.
const (
	MaxActiveStats = 250_000 // active runs, and as many parked ones
	MaxStaleStats  = 1000    // stale runs, where more of a type are older than any type calls stale
	MaxDueStats    = 10_000  // runs that wait for a relay
	MaxUnwellStats = 1000    // runs that ended in one way that is not well, for each of the four ways
)

// statsPatience is how long one of the statements may take.
const statsPatience = 2 * time.Second

// Stats reads the active runs and the newest of those that did not end well, each through an index, on a connection of the
// ledger's own. Its time is in proportion to the active runs, whatever has ended (BenchmarkStats). Who asks often should keep
// the answer for a while.
func (l *Ledger) Stats(ctx context.Context) (Stats, error) {
	s, elders, err := l.activeStats(ctx)
	switch {
	case err != nil:
	case elders.unlisted:
		err = l.problemStats(ctx, &s, ActiveStaleAttention, statsStaleManySQL, MaxStaleStats)
	case len(elders.ids) > 0:
		err = l.problemStats(ctx, &s, ActiveStaleAttention, statsStaleSQL, elders.ids)
	}
	if err == nil {
		_, unwell := RunFilter{Problem: TerminalFollowUp}.admitsEnded()
		err = l.problemStats(ctx, &s, TerminalFollowUp, statsUnwellSQL, unwell, MaxUnwellStats)
	}
	if err == nil {
		err = l.readStats(ctx, statsDueSQL, []any{MaxDueStats}, []any{&s.RelayDue}, func() {})
	}
	if err != nil {
		return Stats{}, fmt.Errorf("read figures of the ledger: %w", err)
	}
	return s, nil
}

// elders are active runs so old that they may be stale: of types whose oldest run is older than they call stale.
type elders struct {
	ids      []rawID
	unlisted bool // there are others
}

// activeStats reads the active runs, and which of them may be stale. Where they were very many they will be again, and are
// not listed for nothing.
func (l *Ledger) activeStats(ctx context.Context) (s Stats, may elders, err error) {
	var a ActiveStats
	var queued, running *time.Time
	var old bool
	var ids []rawID
	var elders int
	many := false
	scan := []any{&a.Type, &a.Queued, &a.Running, &queued, &running, &old, &ids, &elders}
	err = l.readStats(ctx, statsActiveSQL, []any{MaxActiveStats, MaxStaleStats, !l.manyElders.Load()}, scan, func() {
		a.OldestQueued, a.OldestRunning = timeOrZero(queued), timeOrZero(running)
		s.Active = append(s.Active, a)
		if old {
			may.ids, may.unlisted = append(may.ids, ids...), may.unlisted || ids == nil
			many = many || elders > MaxStaleStats
		}
	})
	l.manyElders.Store(many)
	return s, may, err
}

func timeOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// problemStats adds the runs that a statement counts by type.
func (l *Ledger) problemStats(ctx context.Context, s *Stats, problem Problem, sql string, args ...any) error {
	p := ProblemStats{Problem: problem}
	return l.readStats(ctx, sql, args, []any{&p.Type, &p.Runs}, func() { s.Problems = append(s.Problems, p) })
}

// readStats sends one statement with the settings for it, which end with their common transaction, and scans its rows.
func (l *Ledger) readStats(ctx context.Context, sql string, args, scan []any, row func()) error {
	batch := &pgx.Batch{}
	batch.Queue(statsSettingsSQL, strconv.FormatInt(millis(statsPatience), 10))
	batch.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, scan, func() error {
			row()
			return nil
		})
		return err
	})
	return l.db.SendBatch(ctx, batch).Close()
}

// PoolStat tells how the pool fares that the ledger was opened with: the one of handlers' transactions.
func (l *Ledger) PoolStat() *pgxpool.Stat { return l.pool.Stat() }
