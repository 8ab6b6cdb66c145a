package oprun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// DueRun is a queued run that must be published, or looked for in the stream.
type DueRun struct {
	ID           uuid.UUID
	Scope        dedupe.Scope
	Type         string
	DispatchNo   int       // a part of the Nats-Msg-Id; Published counts it up
	PublishedSeq uint64    // where its last publication stands; 0: it is not in the stream
	PublishedAt  time.Time // and when that was, at the latest
	Input        []byte    // nil: a message-first run whose payload is still only in the stream
	OriginStream string    // where such a run's message stands
	OriginSeq    uint64
	OriginTime   time.Time // in whole microseconds
	Initiator    string
	Trace        Trace // what was kept of it
}

// Relay is which due runs a relay takes, and for how long.
type Relay struct {
	Limit  int
	Turn   time.Duration
	Types  []string // nil: all; a worker of some types can only judge what waits for its own consumer
	Stream string   // a run whose payload is still in another is left for that one's relays, for a minute
}

// Due takes the queued runs whose time has come, the most overdue first, at most Limit. For a turn they are the
// caller's to publish and record, and no other relay's: after it they are due again, unless that was done. A run that a
// caller has joined in an open transaction is left for later.
func (l *Ledger) Due(ctx context.Context, r Relay) ([]DueRun, error) {
	rows, err := l.db.Query(ctx, dueSQL, r.Limit, millis(r.Turn), r.Types, r.Stream)
	if err != nil {
		return nil, fmt.Errorf("read due runs: %w", err)
	}
	due, err := pgx.CollectRows(rows, scanDue)
	if err != nil {
		return nil, fmt.Errorf("read due runs: %w", err)
	}
	return due, nil
}

func scanDue(row pgx.CollectableRow) (DueRun, error) {
	var (
		r                       DueRun
		tenant                  *uuid.UUID
		workspace               uuid.UUID
		publishedSeq, originSeq *int64
		originStream            *string
		originTime              *time.Time
		changed                 time.Time
		parent, state           *string
	)
	err := row.Scan(&r.ID, &tenant, &workspace, &r.Type, &r.DispatchNo, &publishedSeq, &r.Input, &originStream, &originSeq, &originTime,
		&r.Initiator, &changed, &parent, &state)
	r.Scope = dedupe.Workspace(workspace)
	if tenant != nil {
		r.Scope = dedupe.Tenant(*tenant)
	}
	if parent != nil {
		r.Trace.Parent = *parent
	}
	if state != nil {
		r.Trace.State = *state
	}
	if publishedSeq != nil {
		r.PublishedSeq, r.PublishedAt = uint64(*publishedSeq), changed
	}
	if originStream != nil && originSeq != nil && originTime != nil {
		r.OriginStream, r.OriginSeq, r.OriginTime = *originStream, uint64(*originSeq), *originTime
	}
	return r, err
}

// Publication is one run on its way through the stream.
type Publication struct {
	RunID      uuid.UUID
	DispatchNo int // as Due gave it
	Seq        uint64
}

// Published records publications that the broker acknowledged, of runs that are still queued; others are not touched. A run that is not claimed within the wait, which
// grows with its age up to ten minutes, becomes due again.
func (l *Ledger) Published(ctx context.Context, sent []Publication, wait time.Duration) error {
	ids, numbers, seqs := make([]rawID, len(sent)), make([]int32, len(sent)), make([]int64, len(sent))
	for i, p := range sent {
		ids[i], numbers[i], seqs[i] = rawID(p.RunID), int32(p.DispatchNo), int64(p.Seq)
	}
	if _, err := l.db.Exec(ctx, publishedSQL, ids, numbers, seqs, millis(wait)); err != nil {
		return fmt.Errorf("record %d publications: %w", len(sent), err)
	}
	return nil
}

// Postpone puts off the next look at runs that still wait in the stream.
func (l *Ledger) Postpone(ctx context.Context, waiting []Publication, wait time.Duration) error {
	ids, numbers := make([]rawID, len(waiting)), make([]int32, len(waiting))
	for i, p := range waiting {
		ids[i], numbers[i] = rawID(p.RunID), int32(p.DispatchNo)
	}
	if _, err := l.db.Exec(ctx, postponeSQL, ids, numbers, millis(wait)); err != nil {
		return fmt.Errorf("postpone %d runs: %w", len(waiting), err)
	}
	return nil
}

// TakeSpare gives a queued run whose message is lost the input of a request that joined it; nil when it has none.
func (l *Ledger) TakeSpare(ctx context.Context, runID uuid.UUID) (input []byte, err error) {
	err = l.db.QueryRow(ctx, takeSpareSQL, runID).Scan(&input)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take the spare input of run %s: %w", runID, err)
	}
	return input, nil
}

// KeepInput stores the payload of a message-first run, and its trace, as the relay read them back from the stream. It is
// false when the row has one already, or is locked: then look again later.
func (l *Ledger) KeepInput(ctx context.Context, runID uuid.UUID, input []byte, trace Trace) (kept bool, err error) {
	tag, err := l.db.Exec(ctx, keepInputSQL, runID, string(input), string(trace.Context()))
	if err != nil {
		return false, fmt.Errorf("keep input of run %s: %w", runID, err)
	}
	return tag.RowsAffected() > 0, nil
}
