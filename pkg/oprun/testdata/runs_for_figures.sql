-- A ledger of $FINISHED runs that have ended, 1 in 100 of them not well, and $ACTIVE active ones, 1 in 10 running: four in five
-- of the newest, as in a backlog that is being worked on. 20 types, of which workers have declared 15. Ids are in the order of time.
insert into oprun.job_types (type, label, stale_queued, stale_running)
select 'kind.of_' || n, 'Kind ' || n, interval '1 hour', interval '1 hour' from generate_series(0, 14) n;

insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, outcome, attempt, max_attempts,
  claim_token, lease_expires_at, due_at, origin_stream, origin_seq, origin_time, input, created_at, run_at, updated_at, completed_at)
select (lpad(to_hex((1790000000000 + n)::bigint), 12, '0') || '8' || substr(md5(n::text), 1, 3) || 'a' || substr(md5(n::text), 4, 15))::uuid,
  w.id, t.id, 'kind.of_' || n / 5 % 20, sha256(n::text::bytea), status,
  case when status <> 'completed' then 'pending' when n % 100 = 0 then (array['failed', 'blocked', 'partially_succeeded'])[1 + n / 100 % 3] else 'succeeded' end,
  1, 5, case when status = 'running' then gen_random_uuid() end, case when status = 'running' then made + interval '30 s' end,
  case when status <> 'completed' then made + interval '1 minute' end, 'JOBS', n, made,
  case when status = 'queued' then json_build_object('connection_id', n, 'policy_type', 'compliance') end, made, made, made,
  case when status = 'completed' then made end
from (
  select n, now() - ($FINISHED + $ACTIVE - n) * interval '5 ms' as made,
    case when n <= $FINISHED - $ACTIVE / 4 or n % 5 = 0 then 'completed' when n % 10 = 1 then 'running' else 'queued' end as status
  from generate_series(1::bigint, $FINISHED + $ACTIVE) n) runs
cross join (select id from oprun.workspaces limit 1) w cross join (select id from oprun.tenants limit 1) t;

analyze oprun.operation_runs;
