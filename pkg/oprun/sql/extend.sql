-- Decides: which of a worker's runs are still its own; these keep their lease.
-- Index: the primary key. A run that is not returned has lost its lease, or has ended.
-- Locks in id order and never skips: a heartbeat that skipped a locked row would lose a live lease.
-- $1 run ids, $2 claim tokens, $3 leases in ms
with held as materialized (
  select r.id, h.lease_ms
  from unnest($1::uuid[], $2::uuid[], $3::bigint[]) h(id, token, lease_ms)
  join oprun.operation_runs r on r.id = h.id
  where r.claim_token = h.token
  order by r.id
  for no key update of r)
update oprun.operation_runs r set lease_expires_at = clock_timestamp() + held.lease_ms * interval '1 millisecond'
from held where r.id = held.id
returning r.id, r.cancel_requested_at is not null as cancel_requested
