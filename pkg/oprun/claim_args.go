package oprun

import (
	"cmp"
	"fmt"
	"time"

	"github.com/google/uuid"
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
	ids, scopes, tokens       []rawID
	tenantScoped, once, cools []bool
	types                     []string
	hashes                    [][]byte
	leases                    []int64
}

func (c *claim) columns(these []int) columns {
	n := len(these)
	cols := columns{
		ids: make([]rawID, n), scopes: make([]rawID, n), tokens: make([]rawID, n),
		tenantScoped: make([]bool, n), once: make([]bool, n), cools: make([]bool, n),
		types: make([]string, n), hashes: make([][]byte, n), leases: make([]int64, n),
	}
	for at, i := range these {
		d := &c.batch[i]
		cols.ids[at], cols.scopes[at], cols.tokens[at] = rawID(d.RunID), rawID(d.Identity.Scope.ID), rawID(d.Token)
		cols.tenantScoped[at] = d.Identity.Scope.Kind == dedupe.TenantScope
		cols.types[at], cols.hashes[at], cols.leases[at] = d.Identity.Type, d.Identity.Hash[:], millis(d.Lease)
		cols.once[at], cols.cools[at] = d.Once, d.Cools
	}
	return cols
}

// sparse returns nil for a column in which every element is its statement's default: unnest fills it up with nulls, and
// neither side spends anything on it.
func sparse[T comparable](column []T, standard T) []T {
	for _, element := range column {
		if element != standard {
			return column
		}
	}
	return nil
}

// newArgs are the parameters of claim_new.sql.
func (c *claim) newArgs(these []int) []any {
	cols, from := c.columns(these), c.origins(these)
	return []any{
		cols.ids, cols.tenantScoped, cols.scopes, cols.types, cols.hashes, cols.tokens, cols.leases,
		sparse(cols.once, false), sparse(cols.cools, false), from.attempts, from.seqs, from.times,
		sparse(from.initiators, systemInitiator), c.replays(these), c.who.Stream, rawID(c.who.Worker), millis(headStart(c.who.AckWait)),
	}
}

// headStart is how long the sweeper leaves a run whose lease has ended to the redelivery of its message, which carries
// the payload. It comes at the lease's end, unless AckWait is longer than the lease; then nobody waits for it.
func headStart(ackWait time.Duration) time.Duration { return min(ackWait, time.Second) }

// origins are the arrays that say where the runs of new deliveries come from.
type origins struct {
	attempts   []int32
	seqs       []int64
	times      []time.Time
	initiators []string
}

func (c *claim) origins(these []int) origins {
	n := len(these)
	from := origins{make([]int32, n), make([]int64, n), make([]time.Time, n), make([]string, n)}
	for at, i := range these {
		d := &c.batch[i]
		from.attempts[at], from.seqs[at] = int32(d.maxAttempts()), int64(d.Seq)
		from.times[at], from.initiators[at] = d.StoredAt, cmp.Or(d.Initiator, systemInitiator)
	}
	return from
}

// queuedArgs are the parameters of claim_queued.sql.
func (c *claim) queuedArgs(these []int) []any {
	cols := c.columns(these)
	return []any{
		cols.ids, cols.tenantScoped, cols.scopes, cols.types, cols.tokens, cols.leases, rawID(c.who.Worker), millis(c.who.AckWait),
	}
}

// readTaken reads the rows of claim_queued.sql, by the runs' ids.
func readTaken(rows pgx.Rows, capacity int) (map[rawID]Answer, error) {
	taken := make(map[rawID]Answer, capacity)
	var id rawID
	var attempt, maxAttempts int32
	var input []byte
	_, err := pgx.ForEachRow(rows, []any{&id, &attempt, &maxAttempts, &input}, func() error {
		taken[id] = Answer{
			Verdict: dedupe.Execute, RunID: uuid.UUID(id), Attempt: int(attempt), MaxAttempts: int(maxAttempts), Input: input,
		}
		return nil
	})
	return taken, err
}

// knownArgs are the parameters of claim_known.sql.
func (c *claim) knownArgs(these []int) []any {
	cols, from := c.columns(these), c.origins(these)
	follows, named := make([]bool, len(these)), make([]bool, len(these))
	for at, i := range these {
		follows[at], named[at] = c.batch[i].Follows, c.batch[i].Named
	}
	return []any{
		cols.ids, cols.tenantScoped, cols.scopes, cols.types, cols.hashes, cols.tokens, cols.leases, cols.once, cols.cools,
		follows, named, from.seqs, from.times, c.who.Stream, rawID(c.who.Worker), millis(c.who.AckWait),
	}
}

// replays are the contexts of runs that run at once: of those whose requests were made of recorded messages. A message
// that runs keeps its trace itself.
func (c *claim) replays(these []int) (contexts []string) {
	for at, i := range these {
		if from := c.batch[i].ReplayedFrom; from != "" {
			if contexts == nil {
				contexts = make([]string, len(these))
			}
			contexts[at] = string(Trace{}.context(from))
		}
	}
	return contexts
}

// inputs are the payloads of these deliveries, each a JSON object, and the contexts of their runs.
func (c *claim) inputs(these []int) (inputs, contexts []string, named []bool) {
	inputs, contexts, named = make([]string, len(these)), make([]string, len(these)), make([]bool, len(these))
	for at, i := range these {
		inputs[at], named[at] = cmp.Or(string(c.batch[i].Input), emptyInput), c.batch[i].Named
		contexts[at] = string(c.batch[i].Trace.context(c.batch[i].ReplayedFrom))
	}
	return inputs, sparse(contexts, ""), named
}

// waitArgs are the parameters of wait.sql.
func (c *claim) waitArgs(these []int) []any {
	cols, from := c.columns(these), c.origins(these)
	inputs, contexts, _ := c.inputs(these)
	return []any{
		cols.ids, cols.tenantScoped, cols.scopes, cols.types, cols.hashes,
		from.attempts, from.seqs, from.times, from.initiators, inputs, contexts, c.who.Stream,
	}
}

// parkArgs are the parameters of park.sql.
func (c *claim) parkArgs(these []int) []any {
	cols, from := c.columns(these), c.origins(these)
	inputs, contexts, named := c.inputs(these)
	return []any{
		cols.ids, cols.scopes, cols.types, cols.hashes, cols.once,
		from.attempts, from.seqs, from.times, from.initiators, inputs, named, contexts, c.who.Stream,
	}
}

// unsettled are deliveries that claim_known.sql did not answer, by what is to be done with them.
type unsettled struct {
	again []int // insert them anew
	wait  []int // they are to wait behind the owner
	park  []int // their tenant is suspended
}

func (u *unsettled) add(more unsettled) {
	u.again = append(u.again, more.again...)
	u.wait = append(u.wait, more.wait...)
	u.park = append(u.park, more.park...)
}

// keep sorts a delivery by a word that is not a verdict, and reports whether it is one.
func (u *unsettled) keep(word string, i int) bool {
	switch word {
	case "again":
		u.again = append(u.again, i)
	case "wait":
		u.wait = append(u.wait, i)
	case "park":
		u.park = append(u.park, i)
	default:
		return false
	}
	return true
}

// readAnswers reads the rows of claim_known.sql.
func (c *claim) readAnswers(rows pgx.Rows, these []int, left *unsettled) error {
	defer rows.Close()
	for rows.Next() {
		var (
			ord, leaseLeft       int64
			attempt, maxAttempts int32
			word                 string
			run                  *rawID
			input                []byte
			tookOver             bool
		)
		if err := rows.Scan(&ord, &word, &run, &attempt, &maxAttempts, &input, &leaseLeft, &tookOver); err != nil {
			return err
		}
		i := these[ord-1]
		if left.keep(word, i) {
			continue
		}
		a := Answer{RunID: c.batch[i].RunID, Attempt: int(attempt), MaxAttempts: int(maxAttempts), Input: input, TookOver: tookOver}
		if err := a.judge(word); err != nil {
			return fmt.Errorf("claim_known.sql: %w", err)
		}
		if run != nil {
			a.RunID = *run
		}
		if a.Verdict == dedupe.Busy {
			a.RetryIn = max(time.Duration(leaseLeft)*time.Millisecond, contendedRetry)
		}
		c.answers[i] = a
	}
	return rows.Err()
}

// judge reads a verdict; a reason stands for the rejection.
func (a *Answer) judge(word string) (err error) {
	if word == dedupe.OlderThanRetention.String() {
		a.Verdict, a.Reason = dedupe.Rejected, dedupe.OlderThanRetention
		return nil
	}
	if a.Verdict, err = dedupe.ParseVerdict(word); a.Verdict == dedupe.Rejected {
		a.Reason = dedupe.ScopeUnknown
	}
	return err
}
