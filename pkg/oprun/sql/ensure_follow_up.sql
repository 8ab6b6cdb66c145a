-- Decides: whether this request waits behind the running owner of its identity, as its follow-up. No row: nobody runs,
-- or another follow-up waits.
-- Indexes: the primary key, runs_active_tenant, runs_active_workspace.
-- Whoever ends the owner promotes the follow-up; the sweeper looks soon for one whose owner ended at this moment.
-- $1 run id, $2 workspace, $3 tenant, $4 type, $5 identity hash, $6 run_at (null: now), $7 input, $8 initiator's name,
-- $9 initiator's id, $10 max attempts, $11 context
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, follow_up, status, run_at, due_at, input,
  initiator_name, initiator_id, max_attempts, context)
select $1::uuid, $2::uuid, $3::uuid, $4::text, $5::bytea, true, 'queued', coalesce($6::timestamptz, now()),
  clock_timestamp() + interval '1 second', $7::json, $8::text, $9::uuid, $10::integer, $11::jsonb
where coalesce(
  (select r.id from oprun.operation_runs r
   where r.completed_at is null and r.run_identity_hash = $5 and not r.follow_up and r.status = 'running'
     and r.tenant_id = $3 and r.tenant_id is not null),
  (select r.id from oprun.operation_runs r
   where $3 is null and r.completed_at is null and r.run_identity_hash = $5 and not r.follow_up and r.status = 'running'
     and r.tenant_id is null and r.workspace_id = $2)) is not null
on conflict do nothing
returning id
