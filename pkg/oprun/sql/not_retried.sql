-- Answers: why a run was not tried again: how it ended, whether it keeps an input, as which run it was tried
-- again before, and who holds its identity.
-- Indexes: the primary key, runs_active_tenant, runs_active_workspace.
-- $1 run id
select r.outcome, r.input is not null, (r.context ->> 'retried_as')::uuid, owner.id
from oprun.operation_runs r
left join lateral (
  select o.id from oprun.operation_runs o
  where r.tenant_id is not null and o.tenant_id = r.tenant_id and o.tenant_id is not null
    and o.run_identity_hash = r.run_identity_hash and not o.follow_up and o.completed_at is null
  union all
  select o.id from oprun.operation_runs o
  where r.tenant_id is null and o.tenant_id is null and o.workspace_id = r.workspace_id
    and o.run_identity_hash = r.run_identity_hash and not o.follow_up and o.completed_at is null
  limit 1) owner on true
where r.id = $1
