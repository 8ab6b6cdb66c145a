-- Decides: who takes the place of the owners that ended in this transaction: the follow-up that waits behind each.
-- Indexes: the primary key, runs_active_tenant, runs_active_workspace.
-- It is sent behind the statement that ended them, in the same transaction: until that commits nobody else can own the
-- identity. A follow-up that somebody joins at this moment is passed over; the sweeper comes back to it.
-- $1 run ids, of which some may have ended
with ended as materialized (
  select o.workspace_id, o.tenant_id, o.run_identity_hash
  from unnest($1::uuid[]) q(id) join oprun.operation_runs o on o.id = q.id
  where o.completed_at is not null and not o.follow_up and o.xmin = pg_current_xact_id_if_assigned()::xid),  -- changed by this transaction
waiting as materialized (
  select f.id
  from ended e
  cross join lateral (
    select r.id from oprun.operation_runs r
    where e.tenant_id is not null and r.tenant_id = e.tenant_id and r.tenant_id is not null
      and r.run_identity_hash = e.run_identity_hash and r.follow_up and r.completed_at is null
    union all
    select r.id from oprun.operation_runs r
    where e.tenant_id is null and r.tenant_id is null and r.workspace_id = e.workspace_id
      and r.run_identity_hash = e.run_identity_hash and r.follow_up and r.completed_at is null
    limit 1) w
  join oprun.operation_runs f on f.id = w.id
  where f.follow_up and f.completed_at is null
  order by f.id
  for no key update of f skip locked)
update oprun.operation_runs r set follow_up = false, due_at = greatest(clock_timestamp(), r.run_at), dispatch_no = r.dispatch_no + 1,
  updated_at = clock_timestamp()
from waiting where r.id = waiting.id
