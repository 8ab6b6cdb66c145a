package oprun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DeadLetter is a message that can never run, whole.
type DeadLetter struct {
	ID        uuid.UUID           `db:"id" json:"id"`
	Stream    string              `db:"stream" json:"stream"`
	Seq       int64               `db:"seq" json:"seq"`
	StoreTime time.Time           `db:"store_time" json:"store_time"`
	Subject   string              `db:"subject" json:"subject"`
	Headers   map[string][]string `db:"headers" json:"headers"`
	BodyBytes int                 `db:"body_bytes" json:"body_bytes"`
	Reason    string              `db:"reason" json:"reason"`
	Detail    string              `db:"detail" json:"detail"`
	RunID     *uuid.UUID          `db:"run_id" json:"run_id"`
	CreatedAt time.Time           `db:"created_at" json:"created_at"`
	Requeued  *time.Time          `db:"requeued_at" json:"requeued_at"` // when its message was last put into the stream again
	Body      []byte              `db:"body" json:"body,omitempty"`     // only of a single letter
}

// Bury records messages that can never run. A message that is buried already, by its place, stays as it was.
// ID, BodyBytes, CreatedAt and Requeued are made here.
func (l *Ledger) Bury(ctx context.Context, letters []DeadLetter) error {
	n := len(letters)
	ids, streams, seqs, times, subjects := make([]rawID, n), make([]string, n), make([]int64, n), make([]time.Time, n), make([]string, n)
	headers, bodies, reasons, details, runs := make([]string, n), make([][]byte, n), make([]string, n), make([]string, n), make([]*uuid.UUID, n)
	for i, d := range letters {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		header, err := json.Marshal(storable(d.Headers))
		if err != nil {
			return fmt.Errorf("headers of dead letter: %w", err)
		}
		ids[i], streams[i], seqs[i], times[i], subjects[i] = rawID(id), d.Stream, d.Seq, d.StoreTime, storableText(d.Subject)
		headers[i], bodies[i], reasons[i], runs[i] = string(header), append([]byte{}, d.Body...), d.Reason, d.RunID
		details[i] = OneLine(d.Detail, 500)
	}
	_, err := l.db.Exec(ctx, burySQL, ids, streams, seqs, times, subjects, headers, bodies, reasons, details, runs)
	if err != nil {
		return fmt.Errorf("bury %d messages: %w", n, err)
	}
	return nil
}

// storable returns headers that jsonb can hold: it knows neither NUL nor invalid UTF-8. Such bytes are spelled out.
func storable(headers map[string][]string) map[string][]string {
	kept := make(map[string][]string, len(headers))
	for name, values := range headers {
		for _, v := range values {
			kept[storableText(name)] = append(kept[storableText(name)], storableText(v))
		}
	}
	return kept
}

func storableText(s string) string {
	if utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	return fmt.Sprintf("%+q", s)
}

// Altered names what of the letter is not as it was sent: its subject, or a header whose name or value no text can
// hold and which is kept spelled out. Empty means that the letter is the message, byte for byte.
func (d DeadLetter) Altered() string {
	if spelledOut(d.Subject) {
		return "subject"
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		if spelledOut(name) || slices.ContainsFunc(d.Headers[name], spelledOut) {
			return "header " + name
		}
	}
	return ""
}

// spelledOut reports whether storableText may have written s.
func spelledOut(s string) bool {
	plain, err := strconv.Unquote(s)
	return err == nil && plain != s && storableText(plain) == s
}

// DeadLetterFilter selects dead letters; zero fields select all.
type DeadLetterFilter struct {
	Before uuid.UUID // the last id of the page before
	Reason string
	Limit  int // zero: 50

	Waiting bool // only those that were not requeued
}

// DeadLetters returns a page of dead letters without their bodies, newest first, on a connection of the caller's pool.
// It reads no more than the page.
func (l *Ledger) DeadLetters(ctx context.Context, f DeadLetterFilter) (letters []DeadLetter, err error) {
	err = l.readPages(ctx, func(tx pgx.Tx) error {
		letters, err = collect(ctx, tx, pgx.RowToStructByNameLax[DeadLetter], deadLettersSQL, optional(f.Before), optional(f.Reason),
			f.Waiting, pageSize(f.Limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return letters, nil
}

// DeadLetter returns one dead letter with its body, or ErrNotFound.
func (l *Ledger) DeadLetter(ctx context.Context, id uuid.UUID) (DeadLetter, error) {
	rows, err := l.db.Query(ctx, deadLetterSQL, id)
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter %s: %w", id, err)
	}
	letter, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[DeadLetter])
	return letter, orNotFound(err, "dead letter", id)
}

// MarkRequeued records that the letter's message is in the stream again, as a new request. The error is ErrNotFound for
// an unknown letter.
func (l *Ledger) MarkRequeued(ctx context.Context, id uuid.UUID) (at time.Time, err error) {
	err = l.db.QueryRow(ctx, markRequeuedSQL, id).Scan(&at)
	return at, orNotFound(err, "dead letter", id)
}

// orNotFound names what was looked for.
func orNotFound(err error, what string, id uuid.UUID) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s %s: %w", what, id, ErrNotFound)
	default:
		return fmt.Errorf("read %s %s: %w", what, id, err)
	}
}

func pageSize(limit int) int {
	const standard = 50
	if limit == 0 {
		return standard
	}
	return limit
}
