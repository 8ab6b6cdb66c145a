-- Decides: whether a request joins the queued run that holds its identity by lending it a spare input: the run's message
-- has not brought its own yet. No row: there is none, or it has an input, or a spare.
-- Indexes: runs_active_tenant, runs_active_workspace.
-- It locks the run, as the join itself does, and before it: two callers that shared the lock could not both lend.
-- $1 workspace, $2 tenant, $3 identity hash, $4 input
update oprun.operation_runs set spare_input = $4::json
where completed_at is null and run_identity_hash = $3 and not follow_up and status = 'queued' and input is null and spare_input is null
  and (tenant_id = $2::uuid and tenant_id is not null
    or $2::uuid is null and tenant_id is null and workspace_id = $1::uuid)
returning id
