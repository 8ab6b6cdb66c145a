package oprun

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// Place is where and when a stream stored a message.
type Place struct {
	RunID    uuid.UUID // that the message names, or would give its run
	Stream   string
	Seq      uint64
	StoredAt time.Time
}

// Judged is what the ledger made of a message that became no run of its own. All zero: nothing.
type Judged struct {
	Verdict dedupe.Verdict // Duplicate or Cooldown; Rejected; zero: none is recorded
	RunID   uuid.UUID      // the run that stands for it
	At      time.Time      // when it was judged
	Reason  string         // of its dead letter
}

// Verdicts tells what the ledger made of messages that became no runs, in their order. It looks each up by keys alone.
func (l *Ledger) Verdicts(ctx context.Context, messages []Place) ([]Judged, error) {
	n := len(messages)
	ids, streams, seqs, times := make([]rawID, n), make([]string, n), make([]int64, n), make([]time.Time, n)
	for i, m := range messages {
		ids[i], streams[i], seqs[i], times[i] = rawID(m.RunID), m.Stream, int64(m.Seq), m.StoredAt
	}
	rows, err := l.db.Query(ctx, verdictsSQL, ids, streams, seqs, times)
	if err != nil {
		return nil, fmt.Errorf("read verdicts on %d messages: %w", n, err)
	}
	judged := make([]Judged, n)
	var ord int64
	var run *rawID
	var verdict, reason *string
	var at *time.Time
	_, err = pgx.ForEachRow(rows, []any{&ord, &run, &verdict, &at, &reason}, func() (err error) {
		j := &judged[ord-1]
		switch {
		case verdict != nil:
			j.RunID, j.At = idOrZero(run), *at
			j.Verdict, err = dedupe.ParseVerdict(*verdict)
		case reason != nil:
			j.Verdict, j.Reason = dedupe.Rejected, *reason
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read verdicts on %d messages: %w", n, err)
	}
	return judged, nil
}

// ShadowNote is what a shadow makes of a record.
type ShadowNote struct {
	Place
	Scope   dedupe.Scope
	Type    string
	Hash    []byte // of the identity; nil: it has none
	Verdict dedupe.Verdict
	Owner   uuid.UUID // the run that stands for it, or zero
	Reason  string    // why it is rejected
	Detail  string
	LeftOut LeftOut // why its outcome says nothing
}

// Note keeps what the shadow makes of these records. Each run is noted once.
func (s *Shadow) Note(ctx context.Context, notes []ShadowNote) error {
	n := len(notes)
	ids, owners, scopes, types, streams := make([]rawID, n), make([]rawID, n), make([]string, n), make([]string, n), make([]string, n)
	seqs, times, hashes := make([]int64, n), make([]time.Time, n), make([][]byte, n)
	verdicts, reasons, details, leftOut := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, note := range notes {
		ids[i], owners[i], types[i], streams[i] = rawID(note.RunID), rawID(note.Owner), storableText(note.Type), storableText(note.Stream)
		if note.Scope.Kind != 0 {
			scopes[i] = note.Scope.String()
		}
		seqs[i], times[i], hashes[i], verdicts[i] = int64(note.Seq), note.StoredAt, append([]byte{}, note.Hash...), note.Verdict.String()
		reasons[i], details[i], leftOut[i] = note.Reason, OneLine(note.Detail, 500), string(note.LeftOut)
	}
	_, err := s.ledger.db.Exec(ctx, s.ledger.in(shadowNoteSQL), ids, scopes, types, streams, seqs, times, hashes, verdicts, owners, reasons, details, leftOut)
	if err != nil {
		return fmt.Errorf("note %d records: %w", n, err)
	}
	return nil
}

// Noted returns which of these runs the shadow has noted, with the hashes of their identities, nil for none.
func (s *Shadow) Noted(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID][]byte, error) {
	ids := make([]rawID, len(runs))
	for i, id := range runs {
		ids[i] = rawID(id)
	}
	rows, err := s.ledger.db.Query(ctx, s.ledger.in(shadowNotedSQL), ids)
	if err != nil {
		return nil, fmt.Errorf("look for %d records: %w", len(runs), err)
	}
	noted := make(map[uuid.UUID][]byte)
	var id rawID
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &hash}, func() error {
		noted[id] = append([]byte(nil), hash...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for %d records: %w", len(runs), err)
	}
	return noted, nil
}
