-- Decides: which deliveries of a batch create their run and own their identity.
-- Indexes: the primary key (occurrence), runs_active_tenant, runs_active_workspace, runs_once (identity), runs_cooldown.
-- One row per delivery that now runs. The rest (a known occurrence, a taken or cooling identity, an unknown or suspended
-- scope, an occurrence the ledger may have forgotten) is left to claim_known.sql. The first form fails with 23505 when
-- any key is taken; the tolerant form skips the row and costs twice as much.
-- $1 run ids, $2 tenant scoped?, $3 scope ids, $4 types, $5 identity hashes, $6 claim tokens, $7 leases in ms,
-- $8 once?, $9 does a success cool down?, $10 max attempts, $11 stream sequences, $12 store times, $13 initiators,
-- $14 contexts; $15 stream, $16 worker, $17 the redelivery's head start in ms; lists 8, 9, 13 and 14 may be null: no, no,
-- system, {}
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, once, status, attempt, max_attempts,
  claim_token, claimed_by, lease_expires_at, due_at, origin_stream, origin_seq, origin_time, initiator_name, context, started_at)
select d.id, s.workspace_id, s.tenant_id, d.type, d.hash, coalesce(d.once, false), 'running', 1, d.max_attempts,
  d.token, $16::uuid, clock_timestamp() + d.lease_ms * interval '1 millisecond',
  -- a little after the lease: the redelivery carries the payload, so it goes before the sweeper
  clock_timestamp() + (d.lease_ms + $17::bigint) * interval '1 millisecond',
  $15::text, d.seq, d.stored_at, coalesce(d.initiator, 'system'), coalesce(nullif(d.context, '')::jsonb, '{}'), now()
from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::bytea[], $6::uuid[], $7::bigint[], $8::boolean[],
    $9::boolean[], $10::integer[], $11::bigint[], $12::timestamptz[], $13::text[], $14::text[])
  d(id, tenant_scoped, scope_id, type, hash, token, lease_ms, once, cools, max_attempts, seq, stored_at, initiator, context)
-- limit 1 keeps the look-up correlated: one index probe a row, whatever the planner believes of the tables
cross join lateral (
  select t.workspace_id, t.id as tenant_id from oprun.tenants t
  where d.tenant_scoped and t.external_id = d.scope_id and t.status = 'active'
  union all
  select w.id, null from oprun.workspaces w where not d.tenant_scoped and w.id = d.scope_id
  limit 1) s
where (select x.id from oprun.operation_run_deliveries x where x.id = d.id) is null
  -- an id that is not dated begins with 48 zero bits
  and (d.id >= (select h.floor from oprun.retention_horizon h where h.one) or d.id < '00000000-0001-0000-0000-000000000000')
  and case when d.cools then (
    select c.id from oprun.operation_runs c
    where c.run_identity_hash = d.hash and c.cooldown_until is not null and c.cooldown_until > clock_timestamp() limit 1) is null else true end
order by d.hash, d.id  -- every claimer takes the identities in one order: no deadlocks
--tolerant on conflict do nothing
returning id
