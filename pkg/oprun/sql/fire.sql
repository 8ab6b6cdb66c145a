-- Decides: which scopes get their run of a schedule's fire time: those whose run of it nobody has made yet (runs_once).
-- Indexes: external_id_unique, the primary keys, runs_once.
-- $1 run ids, $2 scope ids, $3 identity hashes; $4 tenant scoped?, $5 type, $6 input, $7 initiator, $8 max attempts, $9 context
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, once, status, due_at, input, initiator_name,
  max_attempts, context)
select d.id, s.workspace_id, s.tenant_id, $5::text, d.hash, true, 'queued', now(), $6::json, $7::text, $8::integer, $9::jsonb
from unnest($1::uuid[], $2::uuid[], $3::bytea[]) d(id, scope_id, hash)
cross join lateral (
  select t.workspace_id, t.id as tenant_id from oprun.tenants t
  where $4::boolean and t.external_id = d.scope_id and t.status = 'active'
  union all
  select w.id, null from oprun.workspaces w where not $4::boolean and w.id = d.scope_id
  limit 1) s
order by d.hash, d.id
on conflict do nothing
returning id
