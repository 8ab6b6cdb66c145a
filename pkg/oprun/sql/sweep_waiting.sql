-- Decides: which follow-ups wait behind nobody, because their owner ended at the moment they came.
-- Index: runs_due, the primary key, runs_active_tenant, runs_active_workspace.
-- A follow-up that has an owner is looked at again after its own age, a minute at most. The others are returned, to be
-- promoted one by one (promote_orphan.sql): a new owner may be taking the place of one of them.
-- $1 how many at most
with waiting as materialized (
  select f.id, f.workspace_id, f.tenant_id, f.run_identity_hash
  from oprun.operation_runs f
  where f.due_at <= now() and f.follow_up and f.status = 'queued'
  order by f.due_at limit $1
  for no key update skip locked),
judged as materialized (
  select w.id, owner.id is not null as owned
  from waiting w
  left join lateral (
    select r.id from oprun.operation_runs r
    where w.tenant_id is not null and r.tenant_id = w.tenant_id and r.tenant_id is not null
      and r.run_identity_hash = w.run_identity_hash and not r.follow_up and r.completed_at is null
    union all
    select r.id from oprun.operation_runs r
    where w.tenant_id is null and r.tenant_id is null and r.workspace_id = w.workspace_id
      and r.run_identity_hash = w.run_identity_hash and not r.follow_up and r.completed_at is null
    limit 1) owner on true),
looked_at as (
  update oprun.operation_runs f set due_at = clock_timestamp() +
    least(greatest(interval '1 second', clock_timestamp() - f.created_at), interval '1 minute')
  from judged j where f.id = j.id
  returning f.id, j.owned)
select id from looked_at where not owned
