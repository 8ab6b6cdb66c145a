package oprun

import (
	"cmp"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"oprun.example/pkg/dedupe"
)

// rawID is a UUID as pgx encodes it without a detour through text, which uuid.UUID's driver.Valuer would take.
type rawID = [16]byte

// readIDs collects a statement's first column, ids in their binary form.
func readIDs(rows pgx.Rows, capacity int) ([]rawID, error) {
	defer rows.Close()
	ids := make([]rawID, 0, capacity)
	for rows.Next() {
		var id rawID
		if raw := rows.RawValues()[0]; copy(id[:], raw) != len(raw) || len(raw) != len(id) {
			return nil, fmt.Errorf("an id of %d bytes", len(raw))
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// columns are the arrays that both claim statements take, one element a delivery.
type columns struct {
	ids, scopes, tokens []rawID
	tenantScoped        []bool
	types               []string
	hashes              [][]byte
	leases              []int64
}

func (c *claim) columns(these []int) columns {
	n := len(these)
	cols := columns{
		ids: make([]rawID, n), scopes: make([]rawID, n), tokens: make([]rawID, n), tenantScoped: make([]bool, n),
		types: make([]string, n), hashes: make([][]byte, n), leases: make([]int64, n),
	}
	for at, i := range these {
		d := &c.batch[i]
		cols.ids[at], cols.scopes[at], cols.tokens[at] = rawID(d.RunID), rawID(d.Identity.Scope.ID), rawID(d.Token)
		cols.tenantScoped[at] = d.Identity.Scope.Kind == dedupe.TenantScope
		cols.types[at], cols.hashes[at], cols.leases[at] = d.Identity.Type, d.Identity.Hash[:], millis(d.Lease)
	}
	return cols
}

// newArgs are the parameters of claim_new.sql.
func (c *claim) newArgs(these []int) []any {
	cols, n := c.columns(these), len(these)
	attempts, seqs := make([]int32, n), make([]int64, n)
	times, initiators := make([]time.Time, n), make([]string, n)
	for at, i := range these {
		d := &c.batch[i]
		attempts[at], seqs[at] = int32(d.maxAttempts()), int64(d.Seq)
		times[at], initiators[at] = d.StoredAt, cmp.Or(d.Initiator, systemInitiator)
	}
	return []any{
		cols.ids, cols.tenantScoped, cols.scopes, cols.types, cols.hashes, cols.tokens, cols.leases,
		attempts, seqs, times, initiators, c.who.Stream, rawID(c.who.Worker), millis(c.who.AckWait),
	}
}

// knownArgs are the parameters of claim_known.sql.
func (c *claim) knownArgs(these []int) []any {
	cols, named := c.columns(these), make([]bool, len(these))
	for at, i := range these {
		named[at] = c.batch[i].Named
	}
	return []any{
		cols.ids, cols.tenantScoped, cols.scopes, cols.types, cols.hashes, cols.tokens, cols.leases, named,
		rawID(c.who.Worker),
	}
}

// readAnswers reads the rows of claim_known.sql, and returns the deliveries that should be inserted once more.
func (c *claim) readAnswers(rows pgx.Rows, these []int) (again []int, err error) {
	defer rows.Close()
	for rows.Next() {
		var (
			ord, leaseLeft       int64
			attempt, maxAttempts int32
			word                 string
			run                  *rawID
			input                []byte
		)
		if err := rows.Scan(&ord, &word, &run, &attempt, &maxAttempts, &input, &leaseLeft); err != nil {
			return nil, err
		}
		i := these[ord-1]
		if word == "again" {
			again = append(again, i)
			continue
		}
		a := Answer{RunID: c.batch[i].RunID, Attempt: int(attempt), MaxAttempts: int(maxAttempts), Input: input}
		if a.Verdict, err = dedupe.ParseVerdict(word); err != nil {
			return nil, fmt.Errorf("claim_known.sql: %w", err)
		}
		if run != nil {
			a.RunID = *run
		}
		if a.Verdict == dedupe.Busy {
			a.RetryIn = max(time.Duration(leaseLeft)*time.Millisecond, contendedRetry)
		}
		c.answers[i] = a
	}
	return again, rows.Err()
}
