-- Decides: whether this request creates the active run of its identity. No row: another run holds the identity or cools
-- it down, or the request was made before.
-- Indexes: the primary keys, runs_active_tenant, runs_active_workspace, runs_once, runs_cooldown.
-- Waits for a transaction that is about to commit the same identity.
-- $1 run id, $2 workspace, $3 tenant, $4 type, $5 identity hash, $6 run_at (null: now), $7 input, $8 initiator's name,
-- $9 initiator's id, $10 max attempts, $11 once?, $12 does a success cool down?, $13 context
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, run_at, due_at, input,
  initiator_name, initiator_id, max_attempts, once, context)
select $1::uuid, $2::uuid, $3::uuid, $4::text, $5::bytea, 'queued', coalesce($6::timestamptz, now()), coalesce($6, now()), $7::json,
  $8::text, $9::uuid, $10::integer, $11::boolean, $13::jsonb
where (select x.id from oprun.operation_run_deliveries x where x.id = $1) is null
  and case when $12::boolean then (
    select c.id from oprun.operation_runs c
    where c.run_identity_hash = $5 and c.cooldown_until is not null and c.cooldown_until > clock_timestamp() limit 1) is null else true end
on conflict do nothing
returning id
