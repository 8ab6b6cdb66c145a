-- Decides: whether this request creates the active run of its identity. No row: another run holds the identity.
-- Indexes: the primary key, runs_active_tenant, runs_active_workspace, runs_once.
-- Waits for a transaction that is about to commit the same identity.
-- $1 run id, $2 workspace, $3 tenant, $4 type, $5 identity hash, $6 run_at (null: now), $7 input, $8 initiator's name,
-- $9 initiator's id, $10 max attempts
insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, status, run_at, due_at, input,
  initiator_name, initiator_id, max_attempts)
values ($1, $2, $3, $4, $5, 'queued', coalesce($6, now()), coalesce($6, now()), $7::json, $8, $9, $10)
on conflict do nothing
returning id
