-- A ledger that has grown within a minute: 50,000 runs, a tenth of them active, as many deliveries and attempts, 5,000
-- tenants and workspaces. Nobody has analysed it.
insert into oprun.workspaces (id, name) select gen_random_uuid(), 'workspace ' || n from generate_series(1, 5000) n;

insert into oprun.tenants (id, workspace_id, label)
select gen_random_uuid(), w.id, w.name from oprun.workspaces w where w.name like 'workspace %';

insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, outcome, attempt, max_attempts,
  claim_token, lease_expires_at, due_at, origin_stream, origin_seq, origin_time, input, completed_at)
select gen_random_uuid(), t.workspace_id, case when n % 3 > 0 then t.id end, 'assignments.fetch', sha256(n::text::bytea),
  case n % 20 when 0 then 'queued' when 1 then 'running' else 'completed' end,
  case when n % 20 > 1 then 'succeeded' else 'pending' end, 1, 5,
  case when n % 20 = 1 then gen_random_uuid() end, case when n % 20 = 1 then now() + interval '1 minute' end,
  case when n % 20 < 2 then now() + (n % 7 - 3) * interval '1 minute' end, 'JOBS', n, now(), '{}',
  case when n % 20 > 1 then now() end
from (select n, (select array_agg(t) from oprun.tenants t) all_tenants from generate_series(1, 50000) n) runs
cross join lateral unnest(all_tenants[n % 5000 + 1:n % 5000 + 1]) t;

insert into oprun.operation_run_deliveries (id, run_id, verdict)
select gen_random_uuid(), gen_random_uuid(), 'duplicate' from generate_series(1, 50000);

insert into oprun.operation_run_attempts (run_id, attempt, claim_token, result)
select gen_random_uuid(), 1, gen_random_uuid(), 'failed' from generate_series(1, 50000);

insert into oprun.dead_letters (id, stream, seq, store_time, subject, body, reason)
select gen_random_uuid(), 'JOBS', n, now(), 'jobs.x', '', 'malformed' from generate_series(1, 50000) n;
