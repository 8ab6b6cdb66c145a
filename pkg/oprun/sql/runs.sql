-- Answers: a page of runs, newest id first, as far as the newest so many runs hold one.
-- Index: the primary key, read backwards. A page that is not full says nothing about older runs: these are looked for
-- by what they are (runs_active.sql, runs_succeeded.sql, runs_unwell.sql).
-- $1 before this id (null: from the newest), $2 status, $3 outcome, $4 type, $5 tenant's external id, $6 created since,
-- $7 freshness, $8 problem (each null: any), $9 how many at most, $10 among how many
select v.id, v.workspace_id, v.tenant_id, v.type, v.identity_hash, v.follow_up, v.once, v.status, v.outcome, v.attempt,
  v.max_attempts, v.claimed_by, v.lease_expires_at, v.run_at, v.dispatch_no, v.published_seq, nullif(v.due_at, 'infinity') as due_at, v.origin_stream,
  v.origin_seq, v.origin_time, v.initiator_name, v.initiator_id, v.summary_counts, v.failure_summary, v.context,
  v.cooldown_until, v.cancel_requested_at, v.created_at, v.started_at, v.completed_at, v.updated_at, v.freshness, v.problem
from (
  select n.* from oprun.operation_runs_view n
  where n.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') order by n.id desc limit $10) v
where ($2::text is null or v.status = $2) and ($3::text is null or v.outcome = $3)
  and ($4::text is null or v.type = $4) and ($5::uuid is null or v.tenant_id = $5)
  and ($6::timestamptz is null or v.created_at >= $6)
  and ($7::text is null or v.freshness = $7) and ($8::text is null or v.problem = $8)
order by v.id desc limit $9
