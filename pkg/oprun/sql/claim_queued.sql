-- Decides: which deliveries that name their run take it, where that is plain: it is queued and due, nobody wants it
-- cancelled, it has an input and attempts left, and its tenant is active. All others are left to claim_known.sql.
-- Indexes: the primary keys, external_id_unique. A row that another statement holds is passed over.
-- $1 run ids, $2 tenant scoped?, $3 scope ids, $4 types, $5 claim tokens, $6 leases in ms; $7 worker, $8 AckWait in ms
with taken as materialized (
  select d.token, d.lease_ms, r.id, r.attempt, r.max_attempts, r.due_at
  from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::uuid[], $6::bigint[]) d(id, tenant_scoped, scope_id, type, token, lease_ms)
  cross join lateral (
    select t.workspace_id, t.id as tenant_id from oprun.tenants t
    where d.tenant_scoped and t.external_id = d.scope_id and t.status = 'active'
    union all
    select w.id, null from oprun.workspaces w where not d.tenant_scoped and w.id = d.scope_id
    limit 1) s
  join oprun.operation_runs r on r.id = d.id
  where r.workspace_id = s.workspace_id and r.tenant_id is not distinct from s.tenant_id and r.type = d.type
    and r.status = 'queued' and not r.follow_up and r.run_at <= clock_timestamp() and r.cancel_requested_at is null
    and r.attempt < r.max_attempts and r.input is not null
    -- parked after this statement's snapshot was taken: a running row that is due at infinity would be forgotten
    and r.due_at is distinct from 'infinity'
  order by r.id
  for no key update of r skip locked)
update oprun.operation_runs r set status = 'running', claim_token = t.token, claimed_by = $7::uuid,
  lease_expires_at = clock_timestamp() + t.lease_ms * interval '1 millisecond',
  -- untouched: the claim stays HOT. But when the lease is shorter than AckWait, the sweeper must come before the redelivery.
  due_at = case when t.lease_ms < $8::bigint then least(t.due_at, clock_timestamp() + t.lease_ms * interval '1 millisecond')
    else t.due_at end,
  -- of the locked row, or as it is known to be: the CHECKs are judged before the row in the snapshot is known to have a
  -- successor
  attempt = t.attempt + 1, max_attempts = t.max_attempts, outcome = 'pending', completed_at = null, follow_up = false,
  started_at = coalesce(r.started_at, now()), updated_at = now()
from taken t where r.id = t.id
returning r.id, r.attempt, r.max_attempts, r.input
