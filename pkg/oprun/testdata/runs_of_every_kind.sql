-- A ledger of 4000 runs of every kind: 50 tenants of which few have most, and the workspace's own; 8 types, of which the
-- last is rare, and 3 unknown to workers; every outcome, reconciled failures, and about 1 in 200 active: stale, parked or fresh.
-- Ids are in the order of time, but 1 in 50 is not dated; 1 in 10 waited for days before its row was made.
insert into oprun.tenants (id, workspace_id, label)
select gen_random_uuid(), w.id, 'tenant ' || n from oprun.workspaces w, generate_series(1, 50) n;

insert into oprun.job_types (type, label, stale_queued, stale_running)
select 'kind.of_' || n, 'Kind ' || n, interval '1 hour', interval '1 hour' from generate_series(0, 4) n;

insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, outcome, attempt, max_attempts,
  claim_token, lease_expires_at, due_at, context, created_at, run_at, updated_at, completed_at)
select ((case when n % 50 = 7 then repeat('0', 12) else lpad(to_hex((1790000000000 + n * 1000)::bigint), 12, '0') end)
    || '8' || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15))::uuid,
  w.id, case when n % 11 > 0 then tenants[1 + floor(power(r1, 3) * 50)::integer] end,
  'kind.of_' || case when n % 997 = 1 then 7 else floor(power(r2, 2) * 7)::integer end, sha256(n::text::bytea), status,
  case when status <> 'completed' then 'pending' when r3 < 0.9 then 'succeeded' when r3 < 0.93 then 'failed' when r3 < 0.95 then 'blocked'
    when r3 < 0.98 then 'partially_succeeded' else 'cancelled' end, 1, 5,
  case when status = 'running' then gen_random_uuid() end, case when status = 'running' then now() end,
  case when status <> 'completed' then case when n % 3 = 0 then 'infinity' else now() end end,
  case when n % 4 = 0 then '{"reconciliation": {}}' else '{}' end::jsonb, made, made, made,
  case when status = 'completed' then now() end
from (
  select n, random() as r1, random() as r2, random() as r3,
    case when n % 211 = 0 then case when n % 2 = 0 then 'queued' else 'running' end else 'completed' end as status,
    now() - (4000 - n) * interval '1 second' + case when n % 10 = 3 then interval '3 days' else interval '0' end as made
  from generate_series(1, 4000) n) runs
cross join (select array_agg(t.id order by t.label) as tenants from oprun.tenants t where t.label like 'tenant %') every
cross join (select id from oprun.workspaces limit 1) w;
