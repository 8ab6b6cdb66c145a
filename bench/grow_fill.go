package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	keptDays  = 80 // within retention, so that none is below the horizon's floor
	fillBatch = 100_000
	fillEvery = 50 // one run in so many has failed
)

// fillRuns writes the runs from $1 to before $2, of $3 in all, spread over the last $5 days, as the ledger leaves them: no
// token, no lease, and an input and an attempt only where the run failed, which is one in $6. A dated id has the format of
// a derived one (48 bits of milliseconds, version 8, a hash); one that is not dated ($4) has zeros in their place.
const fillRuns = `with made as (
  select i, now() - $5 * interval '1 day' + i * ($5 * interval '1 day' / $3) as at, encode(sha256(convert_to(i::text, 'UTF8')), 'hex') as hash
  from generate_series($1::bigint, $2::bigint - 1) i),
runs as (
  insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, outcome, attempt, max_attempts, run_at,
    origin_stream, origin_seq, origin_time, input, failure_summary, created_at, completed_at, started_at, updated_at)
  select (case when $4 then repeat('0', 12) else lpad(to_hex((extract(epoch from m.at) * 1000)::bigint), 12, '0') end
      || '8' || substr(m.hash, 1, 3) || 'a' || substr(m.hash, 4, 15))::uuid,
    t.workspace_id, t.id, 'bench.job', decode(m.hash, 'hex'), 'completed', case when m.i % $6 = 0 then 'failed' else 'succeeded' end,
    1, 5, m.at, 'JOBS', m.i + 1, m.at,
    case when m.i % $6 = 0 then json_build_object('connection_id', 'c-' || m.i, 'policy_type', 'compliance', 'n', m.i, 'note', repeat('x', 100)) end,
    case when m.i % $6 = 0 then '[{"code": "handler.error", "message": "the other side does not answer", "count": 1}]'::jsonb end,
    m.at, m.at + interval '3 ms', m.at, m.at + interval '3 ms'
  from made m cross join oprun.tenants t
  order by m.i
  returning id, outcome, completed_at)
insert into oprun.operation_run_attempts (run_id, attempt, claim_token, result, error, ended_at)
select r.id, 1, gen_random_uuid(), 'failed', 'the other side does not answer', r.completed_at from runs r where r.outcome = 'failed'`

// sizes are those of the table, without its indexes, and of its primary key.
const sizes = `select pg_table_size('oprun.operation_runs') / 1e6, pg_relation_size('oprun.operation_runs_pkey') / 1e6`

// fill makes a database with so many finished runs, and says how large it is.
func (g growth) fill(ctx context.Context, database, title string, undated bool) (row string, err error) {
	if err := g.servers.postgres.CreateDatabase(ctx, database); err != nil {
		return "", err
	}
	st := stage{Database: g.servers.postgres.URL(database), NATS: g.servers.natsURL}
	if err := oprunEmpty(ctx, &st); err != nil {
		return "", err
	}
	conn, err := pgx.Connect(ctx, st.Database)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "set synchronous_commit = off"); err != nil {
		return "", err
	}
	began := time.Now()
	for from := 0; from < g.rows; from += fillBatch {
		if _, err := conn.Exec(ctx, fillRuns, from, min(from+fillBatch, g.rows), g.rows, undated, keptDays, fillEvery); err != nil {
			return "", err
		}
		fmt.Fprintf(g.log, "%s: %s of %s runs\n", title, thousands(int64(min(from+fillBatch, g.rows))), thousands(int64(g.rows)))
	}
	perSecond := float64(g.rows) / time.Since(began).Seconds()
	if _, err := conn.Exec(ctx, "vacuum analyze"); err != nil {
		return "", err
	}
	var table, key float64
	err = conn.QueryRow(ctx, sizes).Scan(&table, &key)
	return fmt.Sprintf("| %s | %s | %s | %s |\n", title, number(table), number(key), number(perSecond)), err
}
