-- Decides: whether a terminal run is tried again, as a new run of the same identity. No row: it is active, or succeeded, or
-- keeps no input, or was tried again before, or another run holds the identity now.
-- Indexes: the primary key, runs_active_tenant, runs_active_workspace. Of the old run only the context changes, which names
-- the new one: whoever asks twice has made one run (I2). A run that happens once keeps its place in runs_once, and the new
-- one takes none.
-- $1 the old run, $2 the new run's id, $3 who asks, $4 the input, for an old run that keeps none (null: its own)
with old as (
  select o.id, o.workspace_id, o.tenant_id, o.type, o.run_identity_hash, coalesce(o.input, $4::json) as input, o.max_attempts
  from oprun.operation_runs o
  where o.id = $1 and o.completed_at is not null and o.outcome <> 'succeeded' and coalesce(o.input, $4::json) is not null
    and not o.context ? 'retried_as'
  for no key update),
made as (
  insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, due_at, input, initiator_name,
    max_attempts, context)
  select $2, o.workspace_id, o.tenant_id, o.type, o.run_identity_hash, 'queued', clock_timestamp(), o.input, $3,
    o.max_attempts, jsonb_build_object('retry_of', o.id)
  from old o
  on conflict do nothing
  returning id),
noted as (
  update oprun.operation_runs r set context = r.context || jsonb_build_object('retried_as', m.id)
  from made m where r.id = $1)
select id from made
