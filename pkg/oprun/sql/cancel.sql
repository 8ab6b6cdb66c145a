-- Decides: how a run is cancelled: a queued one ends at once; a running one is asked to, and keeps its identity until its
-- owner ends it, or the sweeper after the lease. No row: it has ended before, or there is none.
-- Index: the primary key.
-- What the CHECKs look at comes from the locked row. Postgres checks the new row before it finds out that the one in its
-- snapshot has a successor: a mixture of the two would be refused.
-- $1 run id, $2 who asks, $3 why
with target as materialized (
  select r.id, r.status, r.claim_token, r.lease_expires_at, r.due_at, r.status = 'queued' as ends
  from oprun.operation_runs r where r.id = $1 and r.completed_at is null
  for no key update of r)
update oprun.operation_runs r set
  status = case when t.ends then 'completed' else t.status end,
  outcome = case when t.ends then 'cancelled' else 'pending' end,
  completed_at = case when t.ends then clock_timestamp() end,
  claim_token = t.claim_token, lease_expires_at = t.lease_expires_at,
  due_at = case when not t.ends then t.due_at end,
  cancel_requested_at = coalesce(r.cancel_requested_at, clock_timestamp()),
  context = jsonb_build_object('cancellation', jsonb_build_object('cause', 'operator', 'by', $2::text, 'reason', $3::text)) || r.context,
  updated_at = case when t.ends then clock_timestamp() else r.updated_at end
from target t where r.id = t.id
returning r.id, r.type, r.outcome
