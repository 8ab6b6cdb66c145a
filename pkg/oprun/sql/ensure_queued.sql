-- Answers: the queued run that holds the identity, or waits as its follow-up, locked for share: it cannot start before
-- the caller commits, and callers who join it do not queue behind each other.
-- Indexes: runs_active_tenant, runs_active_workspace.
-- $1 workspace, $2 tenant, $3 identity hash, $4 the follow-up?
select r.id from oprun.operation_runs r
where r.completed_at is null and r.run_identity_hash = $3 and r.follow_up = $4::boolean and r.status = 'queued'
  and (r.tenant_id = $2::uuid and r.tenant_id is not null
    or $2::uuid is null and r.tenant_id is null and r.workspace_id = $1::uuid)
for share
