package oprun

import (
	"context"
	"fmt"
	"time"
)

// JobType is what the ledger knows of a job type, for its reports.
type JobType struct {
	Type         string
	Label        string
	StaleQueued  time.Duration // from when on a queued run is likely stale
	StaleRunning time.Duration // from when on a running one is
}

// DeclareTypes tells the ledger what a worker's catalogue says of its types. The last one to tell wins.
func (l *Ledger) DeclareTypes(ctx context.Context, types []JobType) error {
	n := len(types)
	names, labels := make([]string, n), make([]string, n)
	queued, running := make([]int64, n), make([]int64, n)
	for i, t := range types {
		names[i], labels[i], queued[i], running[i] = t.Type, t.Label, millis(t.StaleQueued), millis(t.StaleRunning)
	}
	if _, err := l.db.Exec(ctx, declareTypesSQL, names, labels, queued, running); err != nil {
		return fmt.Errorf("declare %d job types: %w", n, err)
	}
	return nil
}
