-- Decides: what becomes of runs whose attempt stopped beating: queued again, or ended when nothing is left to try.
-- Index: the primary key. A live run that is merely looked at gets its lease's end as the next look.
-- Everything is judged on the locked row: two sweepers never take one run twice.
-- $1 run ids (late.sql), $2 the redelivery's head start in ms
with late as materialized (
  select r.id, r.status, r.attempt, r.claim_token, r.claimed_by, r.origin_seq, r.lease_expires_at >= clock_timestamp() as alive,
    case when r.cancel_requested_at is not null then 'cancelled' when r.attempt >= r.max_attempts then 'failed' end as ends
  from unnest($1::uuid[]) q(id) join oprun.operation_runs r on r.id = q.id
  where coalesce(r.due_at, 'infinity') <= now() and r.status = 'running'  -- as runs_due must not be read for it
  order by r.id
  for no key update of r skip locked),
swept as (
  update oprun.operation_runs r set
    status = case when l.alive then 'running' when l.ends is null then 'queued' else 'completed' end,
    outcome = case when l.alive then 'pending' else coalesce(l.ends, 'pending') end,
    completed_at = case when not l.alive and l.ends is not null then clock_timestamp() end,
    failure_summary = case when not l.alive and l.ends = 'failed' then
      '[{"code": "run.crash_loop", "message": "every attempt ended without a result", "count": 1}]' else r.failure_summary end,
    claim_token = case when l.alive then r.claim_token end,
    claimed_by = case when l.alive then r.claimed_by end,
    lease_expires_at = case when l.alive then r.lease_expires_at end,
    due_at = case
      when l.alive then r.lease_expires_at + case when l.origin_seq is null then 0 else $2::bigint end * interval '1 millisecond'
      when l.ends is null then clock_timestamp() end,
    dispatch_no = r.dispatch_no + (not l.alive)::integer,
    published_seq = case when l.alive then r.published_seq end,
    updated_at = case when l.alive then r.updated_at else clock_timestamp() end
  from late l where r.id = l.id
  returning r.id, r.type, r.status, r.outcome),
abandoned as (
  insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result)
  select l.id, l.attempt, l.claim_token, l.claimed_by, 'abandoned' from late l where not l.alive order by l.id
  on conflict do nothing)
select id, type, status, outcome from swept
