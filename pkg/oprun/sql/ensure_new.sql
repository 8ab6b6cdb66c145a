-- Decides: which of these requests create the active run of their identity. The others (another run holds the identity or
-- cools it down, the request was made before or is too old, its scope is unknown) are for the statements after this one.
-- Indexes: the primary keys, external_id_unique, runs_active_tenant, runs_active_workspace, runs_once, runs_cooldown.
-- Waits for a transaction that is about to commit the same identity.
-- $1 run ids, $2 tenant scoped?, $3 scope ids, $4 types, $5 identity hashes, $6 does the id derive from the request's own?,
-- $7 run_ats (null: now), $8 inputs, $9 initiators' names, $10 initiators' ids, $11 max attempts, $12 once?, $13 does a
-- success cool down?, $14 contexts; but for $11, lists from the sixth on may be null: no, now, {}, system, none, no, no, {}
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, run_at, due_at, input,
  initiator_name, initiator_id, max_attempts, once, context)
select d.id, s.workspace_id, s.tenant_id, d.type, d.hash, 'queued', coalesce(d.run_at, now()), coalesce(d.run_at, now()),
  coalesce(d.input, '{}')::json, coalesce(d.initiator, 'system'), d.initiator_id, d.max_attempts, coalesce(d.once, false),
  coalesce(d.context, '{}')::jsonb
from (
  select * from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::bytea[], $6::boolean[], $7::timestamptz[], $8::text[],
      $9::text[], $10::uuid[], $11::integer[], $12::boolean[], $13::boolean[], $14::text[])
    d(id, tenant_scoped, scope_id, type, hash, known, run_at, input, initiator, initiator_id, max_attempts, once, cools, context)
  -- all of them: a limit that a generic plan cannot know has it expect one row, so that Postgres, on a connection of the
  -- caller's, soon keeps that plan instead of making a new one for each single request
  limit cardinality($1::uuid[])) d
cross join lateral (
  select t.workspace_id, t.id as tenant_id from oprun.tenants t where d.tenant_scoped and t.external_id = d.scope_id
  union all
  select w.id, null from oprun.workspaces w where not d.tenant_scoped and w.id = d.scope_id
  limit 1) s
where (select x.id from oprun.operation_run_deliveries x where x.id = d.id) is null
  -- an id that is not dated begins with 48 zero bits
  and (d.known is not true or d.id < '00000000-0001-0000-0000-000000000000'
    or d.id >= (select h.floor from oprun.retention_horizon h where h.one))
  and case when d.cools then (
    select c.id from oprun.operation_runs c
    where c.run_identity_hash = d.hash and c.cooldown_until is not null and c.cooldown_until > clock_timestamp() limit 1) is null else true end
order by d.hash, d.id  -- all callers take the identities in one order: no deadlocks
on conflict do nothing
returning id
