package oprun

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// Sighting is a message as it stands in a stream, for [Ledger.Account].
type Sighting struct {
	RunID    uuid.UUID // named by the message, or derived from its occurrence; zero: the message cannot be read
	Named    bool
	Scope    dedupe.Scope
	Type     string
	Seq      uint64
	StoredAt time.Time
}

// Account is what the ledger has of one message. All zero: nothing.
type Account struct {
	Run        uuid.UUID // the message's own run, or the one it names, in its scope and of its type
	MadeHere   bool      // this very message created the run, and not another one of the same occurrence
	Joined     uuid.UUID // the run that stands for it, since its delivery was recorded as a duplicate
	DeadLetter uuid.UUID
	Successes  int       // recorded attempts of a succeeded run that succeeded; more than one is a broken promise (I2)
	Outcome    Outcome   // of Run; Pending until it has ended
	EndedAt    time.Time // when Run ended, by the database's clock; zero: it has not
}

// Account tells what the ledger has of messages of one stream, in their order. A dead letter is known by the
// message's place, a run by its id. It changes nothing and looks each message up by keys alone: a few thousand at
// once are not too many.
func (l *Ledger) Account(ctx context.Context, stream string, messages []Sighting) ([]Account, error) {
	n := len(messages)
	ids, tenantScoped, scopes, types := make([]rawID, n), make([]bool, n), make([]rawID, n), make([]string, n)
	named, seqs, times := make([]bool, n), make([]int64, n), make([]time.Time, n)
	for i, m := range messages {
		ids[i], tenantScoped[i], scopes[i], types[i] = rawID(m.RunID), m.Scope.Kind == dedupe.TenantScope, rawID(m.Scope.ID), m.Type
		named[i], seqs[i], times[i] = m.Named, int64(m.Seq), m.StoredAt
	}
	rows, err := l.db.Query(ctx, accountSQL, ids, tenantScoped, scopes, types, named, seqs, times, stream)
	if err != nil {
		return nil, fmt.Errorf("account for %d messages: %w", n, err)
	}
	accounts := make([]Account, n)
	var ord int64
	var run, joined, letter *rawID
	var madeHere bool
	var successes int
	var outcome *Outcome
	var ended *time.Time
	_, err = pgx.ForEachRow(rows, []any{&ord, &run, &madeHere, &joined, &letter, &successes, &outcome, &ended}, func() error {
		a := Account{Run: idOrZero(run), MadeHere: madeHere, Joined: idOrZero(joined), DeadLetter: idOrZero(letter), Successes: successes}
		if outcome != nil {
			a.Outcome = *outcome
		}
		if ended != nil {
			a.EndedAt = *ended
		}
		accounts[ord-1] = a
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("account for %d messages: %w", n, err)
	}
	return accounts, nil
}

func idOrZero(id *rawID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return uuid.UUID(*id)
}

// Span is a part of a stream, its first and last message included. The times tell it from the same numbers in a stream
// that was made anew.
type Span struct {
	Stream            string
	FirstSeq, LastSeq uint64
	FirstAt, LastAt   time.Time
}

// Twins are runs that were created from one message.
type Twins struct {
	Seq      uint64
	StoredAt time.Time // to the microsecond
	Runs     []uuid.UUID
}

// Twins returns up to limit messages of a span from which more than one run was created, and how many there are. The
// primary key forbids them (I5); whoever asks wants to know whether that is so. It reads every run of the ledger, on a
// connection of the caller's pool.
func (l *Ledger) Twins(ctx context.Context, span Span, limit int) (twins []Twins, total int, err error) {
	rows, err := l.pool.Query(ctx, twinsSQL, span.Stream, int64(span.FirstSeq), int64(span.LastSeq), span.FirstAt, span.LastAt, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("look for twins: %w", err)
	}
	var seq int64
	var at time.Time
	var runs []uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&seq, &at, &runs, &total}, func() error {
		twins = append(twins, Twins{uint64(seq), at, append([]uuid.UUID{}, runs...)})
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("look for twins: %w", err)
	}
	return twins, total, nil
}
