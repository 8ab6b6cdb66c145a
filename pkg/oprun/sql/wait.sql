-- Decides: which deliveries wait behind the running owner of their identity, as its follow-up. No row: another one does.
-- Indexes: the primary key, runs_active_tenant, runs_active_workspace.
-- Whoever ends the owner promotes the follow-up. An owner that is ending at this very moment may not see it: the
-- sweeper looks soon.
-- $1 run ids, $2 tenant scoped?, $3 scope ids, $4 types, $5 identity hashes, $6 max attempts, $7 stream sequences,
-- $8 store times, $9 initiators, $10 inputs, $11 contexts (null: {}); $12 stream
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, follow_up, status, max_attempts, due_at,
  origin_stream, origin_seq, origin_time, initiator_name, input, context)
select d.id, s.workspace_id, s.tenant_id, d.type, d.hash, true, 'queued', d.max_attempts, clock_timestamp() + interval '1 second',
  $12::text, d.seq, d.stored_at, d.initiator, d.input::json, coalesce(nullif(d.context, ''), '{}')::jsonb
from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::bytea[], $6::integer[], $7::bigint[], $8::timestamptz[],
    $9::text[], $10::text[], $11::text[])
  d(id, tenant_scoped, scope_id, type, hash, max_attempts, seq, stored_at, initiator, input, context)
cross join lateral (
  select t.workspace_id, t.id as tenant_id from oprun.tenants t where d.tenant_scoped and t.external_id = d.scope_id
  union all
  select w.id, null from oprun.workspaces w where not d.tenant_scoped and w.id = d.scope_id
  limit 1) s
order by d.hash, d.id
on conflict do nothing
returning id
