package oprun

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// naive is the statement that says what a page is, one filter after the other, whatever it costs.
const naive = `select v.id from oprun.operation_runs_view v
where ($1::uuid is null or v.id < $1) and ($2::text is null or v.status = $2) and ($3::text is null or v.outcome = $3)
  and ($4::text is null or v.type = $4) and ($5::uuid is null or v.tenant_id = $5)
  and ($6::timestamptz is null or v.created_at >= $6)
  and ($7::text is null or v.freshness = $7) and ($8::text is null or v.problem = $8)
order by v.id desc limit $9`

func (s *scene) naive(f RunFilter) (ids []uuid.UUID) {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), naive, optional(f.Before), optional(f.Status), optional(f.Outcome), optional(f.Type),
		optional(f.Tenant), optional(f.Since), optional(f.Freshness), optional(f.Problem), pageSize(f.Limit))
	must(s.t, err)
	ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	must(s.t, err)
	return ids
}

// sceneOfEveryKind has so many runs of every kind.
func sceneOfEveryKind(t *testing.T, runs string) *scene {
	t.Helper()
	s := newScene(t)
	s.everyKind(runs)
	return s
}

// everyKind makes so many runs of every kind.
func (s *scene) everyKind(runs string) {
	s.t.Helper()
	text, err := os.ReadFile("testdata/runs_of_every_kind.sql")
	must(s.t, err)
	s.exec(strings.ReplaceAll(string(text), "4000", runs))
}

// filters picks values to filter runs of every kind by.
type filters struct {
	*rand.Rand
	tenants []uuid.UUID
	ids     []uuid.UUID
}

func (s *scene) filters(seed uint64) filters {
	return filters{
		rand.New(rand.NewPCG(seed, 0)),
		query[[]uuid.UUID](s, "select array_agg(external_id order by label) from oprun.tenants where label in ('tenant 1', 'tenant 9', 'tenant 50')"),
		query[[]uuid.UUID](s, "select array_agg(id) from (select id from oprun.operation_runs order by md5(id::text) limit 20) r"),
	}
}

// one sets a filter in two of five cases.
func one[T any](f filters, values ...T) (value T) {
	if f.IntN(5) < 2 {
		value = values[f.IntN(len(values))]
	}
	return value
}

func (f filters) pick() RunFilter {
	return RunFilter{
		Before: one(f, f.ids...), Status: one(f, "queued", "running", "completed", "completed", "odd"), Outcome: one(f, Outcomes()...),
		Type: one(f, "kind.of_0", "kind.of_3", "kind.of_6", "kind.of_7", "kind.of_9"), Tenant: one(f, append(f.tenants, uuid.New())...),
		Since:     one(f, time.Now().Add(-time.Hour), time.Now().Add(-time.Minute), time.Now().Add(time.Hour)),
		Freshness: one(f, Freshnesses()...), Problem: one(f, Problems()...), Limit: []int{0, 3, 1000}[f.IntN(3)],
	}
}

// TestPages compares pages with what the naive statement finds, both as Runs reads them and as it looks for runs that
// the newest do not hold, for any combination of filters.
func TestPages(t *testing.T) {
	t.Parallel()
	s := sceneOfEveryKind(t, "4000")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	values := s.filters(seed)
	for range 500 {
		f := values.pick()
		want := s.naive(f)
		runs, err := s.Runs(t.Context(), f)
		must(t, err)
		got := make([]uuid.UUID, len(runs))
		for i, run := range runs {
			got[i] = run.ID
		}
		var found []uuid.UUID
		must(t, s.readPages(t.Context(), func(tx pgx.Tx) error {
			found, err = f.find(t.Context(), tx)
			return err
		}))
		same(t, "page", want, got)
		same(t, "what is looked for", want, found)
		if t.Failed() {
			t.Fatalf("of %+v", f)
		}
	}
}

// TestPagesReadLittle reads pages of a large ledger that nobody has analysed, or somebody has, and counts the blocks
// that their statements touch. A walk over all runs would touch one for each.
func TestPagesReadLittle(t *testing.T) {
	t.Parallel()
	s := sceneOfEveryKind(t, "100000")
	s.exec("update oprun.operation_runs set outcome = 'blocked' where type = 'kind.of_2' and outcome = 'failed' and created_at > now() - interval '12 hours'")
	values := s.filters(1)
	tenant := values.tenants[2] // the one with the fewest runs
	middle := query[uuid.UUID](s, "select id from oprun.operation_runs order by id offset 50000 limit 1")
	tests := map[string]RunFilter{
		"the newest": {}, "a page in the middle": {Before: middle},
		"a tenant's": {Tenant: tenant}, "a tenant's, in the middle": {Tenant: tenant, Before: middle},
		"a common type's": {Type: "kind.of_0"}, "a rare type's": {Type: "kind.of_7"},
		"a tenant's of a type": {Tenant: tenant, Type: "kind.of_3"}, "a tenant's of a rare type": {Tenant: tenant, Type: "kind.of_7"},
		"of no type": {Type: "kind.of_9"}, "of no tenant": {Tenant: uuid.New()},
		"active": {Outcome: Pending}, "queued": {Status: "queued"}, "running of a type": {Status: "running", Type: "kind.of_0"},
		"active of a tenant": {Outcome: Pending, Tenant: tenant}, "ended of a tenant": {Status: "completed", Tenant: tenant},
		"failed": {Outcome: Failed}, "succeeded of a tenant": {Outcome: Succeeded, Tenant: tenant},
		"blocked of a tenant": {Outcome: Blocked, Tenant: tenant}, "cancelled of a type": {Outcome: Cancelled, Type: "kind.of_6"},
		"to follow up": {Problem: TerminalFollowUp}, "to follow up, of a tenant": {Problem: TerminalFollowUp, Tenant: tenant},
		"to follow up, of a rare type": {Problem: TerminalFollowUp, Type: "kind.of_7"},
		"to follow up, in the middle":  {Problem: TerminalFollowUp, Before: middle},
		"to look at":                   {Problem: ActiveStaleAttention}, "likely stale": {Freshness: LikelyStale}, "unknown": {Freshness: UnknownFreshness},
		"failed of a type, all long ago": {Outcome: Failed, Type: "kind.of_2"},
		"reconciled":                     {Freshness: ReconciledFailed}, "reconciled of a tenant": {Freshness: ReconciledFailed, Tenant: tenant},
		"without a problem, of a tenant": {Problem: NoProblem, Tenant: tenant},
		"of this minute":                 {Since: time.Now().Add(-time.Minute)}, "of the future": {Since: time.Now().Add(240 * time.Hour)},
		"failed, of the future":      {Outcome: Failed, Since: time.Now().Add(240 * time.Hour)},
		"of a tenant, of the future": {Tenant: tenant, Since: time.Now().Add(240 * time.Hour)},
	}
	for _, statistics := range []string{"select", "analyze"} {
		s.exec(statistics)
		for name, f := range tests {
			must(t, s.readPages(t.Context(), func(tx pgx.Tx) error {
				spy := &countingTx{Tx: tx}
				runs, err := f.newest(t.Context(), spy)
				if err != nil || len(runs) == pageSize(f.Limit) {
					return err
				}
				_, err = f.find(t.Context(), spy)
				if spy.blocks > 12_000 {
					t.Errorf("%s (%s): %d blocks\n%s", name, statistics, spy.blocks, spy.plans)
				}
				return err
			}))
		}
	}
}

// countingTx explains each query before it runs it, and adds up the blocks that it touched.
type countingTx struct {
	pgx.Tx
	blocks int
	plans  string
}

// Query explains the statement, and then runs it.
func (tx *countingTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	var text string
	if err := tx.QueryRow(ctx, "explain (analyze, buffers, format json) "+sql, args...).Scan(&text); err != nil {
		return nil, err
	}
	var roots []struct {
		Plan struct {
			Hit  int `json:"Shared Hit Blocks"`
			Read int `json:"Shared Read Blocks"`
		}
	}
	if err := json.Unmarshal([]byte(text), &roots); err != nil {
		return nil, err
	}
	tx.blocks += roots[0].Plan.Hit + roots[0].Plan.Read
	tx.plans += text
	return tx.Tx.Query(ctx, sql, args...)
}
