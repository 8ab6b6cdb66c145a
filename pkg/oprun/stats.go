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
}

// ActiveStats are the active runs of one type and status.
type ActiveStats struct {
	Type   string
	Status string // queued or running
	Runs   int
	Due    int       // of them, those that wait for a relay to publish them now
	Oldest time.Time // when the oldest was created that is not parked; zero: there is none
}

// ProblemStats are the runs of one type that have a problem.
type ProblemStats struct {
	Type    string
	Problem Problem
	Runs    int
}

// What is read for figures, at most: they are then the least that there can be.
const (
	MaxActiveStats = 500_000 // active runs
	MaxUnwellStats = 1000    // runs that ended in one way that is not well, for each of the four
)

// statsPatience is how long one of the statements may take.
const statsPatience = 2 * time.Second

// Stats reads the active runs and the newest of those that did not end well, each through an index, on a connection of the
// ledger's own: half a second for as many active runs as it reads at most, whatever has ended.
func (l *Ledger) Stats(ctx context.Context) (s Stats, err error) {
	_, unwell := RunFilter{Problem: TerminalFollowUp}.admitsEnded()
	batch := &pgx.Batch{} // one transaction: the settings end with it
	batch.Queue(statsSettingsSQL, strconv.FormatInt(millis(statsPatience), 10))
	batch.Queue(statsActiveSQL, MaxActiveStats).Query(s.addActive)
	batch.Queue(statsUnwellSQL, unwell, MaxUnwellStats).Query(s.addUnwell)
	if err := l.db.SendBatch(ctx, batch).Close(); err != nil {
		return Stats{}, fmt.Errorf("read figures of the ledger: %w", err)
	}
	return s, nil
}

func (s *Stats) addActive(rows pgx.Rows) error {
	var a ActiveStats
	var stale int
	var oldest *time.Time
	_, err := pgx.ForEachRow(rows, []any{&a.Type, &a.Status, &a.Runs, &stale, &a.Due, &oldest}, func() error {
		a.Oldest = time.Time{}
		if oldest != nil {
			a.Oldest = *oldest
		}
		s.Active = append(s.Active, a)
		if stale > 0 {
			s.Problems = append(s.Problems, ProblemStats{a.Type, ActiveStaleAttention, stale})
		}
		return nil
	})
	return err
}

func (s *Stats) addUnwell(rows pgx.Rows) error {
	p := ProblemStats{Problem: TerminalFollowUp}
	_, err := pgx.ForEachRow(rows, []any{&p.Type, &p.Runs}, func() error {
		s.Problems = append(s.Problems, p)
		return nil
	})
	return err
}

// PoolStat tells how the pool fares that the ledger was opened with: the one of handlers' transactions.
func (l *Ledger) PoolStat() *pgxpool.Stat { return l.pool.Stat() }
