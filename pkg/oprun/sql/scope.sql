-- Answers: the rows behind a scope; none when the ledger does not know it.
-- Indexes: external_id_unique, the primary key of workspaces.
-- $1 tenant scoped?, $2 the tenant's external id or the workspace's id
select t.workspace_id, t.id as tenant_id from oprun.tenants t where $1::boolean and t.external_id = $2::uuid
union all
select w.id, null from oprun.workspaces w where not $1::boolean and w.id = $2::uuid
