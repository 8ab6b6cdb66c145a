-- Answers: a page of the active runs that nobody holds, and that housekeeping may have to end, the longest due first.
-- Indexes: runs_due (active rows alone), the primary keys. It locks nothing: end_run.sql judges each again.
-- Left out are runs under a live lease, follow-ups, which wait behind their owner, and runs that are parked for a
-- suspended tenant.
-- $1, $2 after this due_at and this id, $3 types whose every run is a candidate; a likely stale run of any other type is
-- one, too; $4 types, $5 tenants' external ids (each null: any), $6 how many at most
select v.id, v.workspace_id, v.tenant_id, v.type, v.status, v.attempt, v.dispatch_no, v.due_at, v.created_at, v.started_at,
  v.freshness = 'likely_stale' as stale, r.input
from oprun.operation_runs_view v join oprun.operation_runs r on r.id = v.id
where v.due_at >= $1 and v.due_at < 'infinity' and (v.due_at, v.id) > ($1, $2::uuid) and not v.follow_up
  and (v.status = 'queued' or v.lease_expires_at < clock_timestamp())
  and (v.type = any($3::text[]) or v.freshness = 'likely_stale')
  and ($4::text[] is null or v.type = any($4)) and ($5::uuid[] is null or v.tenant_id = any($5))
order by v.due_at, v.id limit $6
