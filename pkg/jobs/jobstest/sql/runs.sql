-- Decides: which runs a workspace has, oldest first.
-- Index: none, it is a bench's few.
-- $1 workspace id
select r.id, r.type, t.external_id as tenant, r.workspace_id, r.input::text as input, r.run_at
from oprun.operation_runs r left join oprun.tenants t on t.id = r.tenant_id
where r.workspace_id = $1
order by r.created_at, r.id
