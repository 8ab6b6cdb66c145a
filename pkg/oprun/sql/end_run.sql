-- Ends: a run that nobody holds, for a reason that its code tells. No row: it has moved on since it was looked at.
-- Index: the primary key. A row that another transaction holds is passed over: whoever asks comes back to it.
-- $1 run id, $2 its dispatch number (null: any), $3 only while it has no input?, $4 outcome, $5 failure code, $6 message,
-- $7 what the reconciliation notes, $8 the number of its last attempt (null: any)
with target as materialized (
  select r.id, r.status, r.attempt, r.claim_token, r.claimed_by
  from oprun.operation_runs r
  where r.id = $1 and r.completed_at is null and (r.status = 'queued' or r.lease_expires_at < clock_timestamp())
    and ($2::integer is null or r.dispatch_no = $2) and ($8::integer is null or r.attempt = $8)
    and (not $3::boolean or r.input is null and r.spare_input is null)
  order by r.id
  for no key update of r skip locked),
abandoned as (
  insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result)
  select t.id, t.attempt, t.claim_token, t.claimed_by, 'abandoned' from target t where t.status = 'running' order by t.id
  on conflict do nothing)
update oprun.operation_runs r set status = 'completed', outcome = $4, completed_at = clock_timestamp(), updated_at = clock_timestamp(),
  due_at = null, claim_token = null, claimed_by = null, lease_expires_at = null,
  failure_summary = case when $4::text = 'succeeded' then null
    else jsonb_build_array(jsonb_build_object('code', $5::text, 'message', $6::text, 'count', 1)) end,
  context = r.context || jsonb_build_object('reconciliation', $7::jsonb || jsonb_build_object('reason', $5::text, 'at', clock_timestamp()))
from target t where r.id = t.id
returning r.id, r.type, r.outcome, t.status = 'running' as abandoned
