package oprun

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Swept is what one sweep did.
type Swept struct {
	Requeued int // attempts stopped beating; their runs are queued and due
	Extended int // live runs, to be looked at again at their lease's end
	Promoted int // follow-ups that waited behind nobody
	Ended    []Ended

	Abandoned []string // the types of the runs, queued or ended, whose attempts these were
}

// Sweep looks at running runs whose time has come, at most limit: those whose lease has ended are queued again,
// or ended when no attempt is left, and their follow-ups promoted. It also promotes follow-ups whose owner ended at the
// moment they came. Any number of processes may sweep at once. AckWait is the broker's: the redelivery of a
// message-first run goes first, for a second at most.
func (l *Ledger) Sweep(ctx context.Context, limit int, ackWait time.Duration) (swept Swept, err error) {
	late, err := l.late(ctx, limit)
	if err == nil && len(late) > 0 {
		err = l.promoting(ctx, laneWait, late, sweepSQL, []any{late, millis(headStart(ackWait))}, swept.read)
	}
	if err != nil {
		return Swept{}, fmt.Errorf("sweep: %w", err)
	}
	swept.Promoted, err = l.promoteOrphans(ctx, limit)
	return swept, err
}

// late returns the running runs to look at. Most looks find none, and are over with that.
func (l *Ledger) late(ctx context.Context, limit int) ([]rawID, error) {
	rows, err := l.db.Query(ctx, lateSQL, limit)
	if err != nil {
		return nil, err
	}
	return readIDs(rows, 0)
}

// read counts the rows of sweep.sql.
func (s *Swept) read(rows pgx.Rows) error {
	var status string
	var e Ended
	_, err := pgx.ForEachRow(rows, []any{&e.RunID, &e.Type, &status, &e.Outcome}, func() error {
		switch status {
		case "queued":
			s.Requeued++
			s.Abandoned = append(s.Abandoned, e.Type)
		case "running":
			s.Extended++
		default:
			s.Ended = append(s.Ended, e)
			s.Abandoned = append(s.Abandoned, e.Type)
		}
		return nil
	})
	return err
}

// promoteOrphans promotes follow-ups that wait behind nobody, each in a transaction of its own: a new owner may be
// taking the place of one of them at this moment, and must not hold up the others.
func (l *Ledger) promoteOrphans(ctx context.Context, limit int) (promoted int, err error) {
	rows, err := l.db.Query(ctx, sweepWaitingSQL, limit)
	if err != nil {
		return 0, fmt.Errorf("sweep follow-ups: %w", err)
	}
	orphans, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, fmt.Errorf("sweep follow-ups: %w", err)
	}
	for _, id := range orphans {
		tag, err := l.db.Exec(ctx, promoteOrphanSQL, rawID(id))
		if err != nil && !hasCode(err, uniqueViolation, lockTimeout, deadlock) {
			return promoted, fmt.Errorf("promote follow-up %s: %w", id, err)
		}
		promoted += int(tag.RowsAffected())
	}
	return promoted, nil
}
