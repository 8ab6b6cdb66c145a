-- Answers: the running run that holds the identity, read without a lock: a lock would stall its heartbeat.
-- Indexes: runs_active_tenant, runs_active_workspace.
-- $1 workspace, $2 tenant, $3 identity hash
select r.id from oprun.operation_runs r
where r.completed_at is null and r.run_identity_hash = $3 and not r.follow_up and r.status = 'running'
  and (r.tenant_id = $2::uuid and r.tenant_id is not null
    or $2::uuid is null and r.tenant_id is null and r.workspace_id = $1::uuid)
