-- Records: a tenant, found again by its label. Its external id is always made here.
-- Index: tenant_label_unique.
-- $1 id, $2 workspace, $3 label
with added as (
  insert into oprun.tenants (id, workspace_id, label) values ($1, $2, $3) on conflict (workspace_id, label) do nothing
  returning id, workspace_id, external_id, label, status, created_at)
select id, workspace_id, external_id, label, status, created_at, true as created from added
union all
select id, workspace_id, external_id, label, status, created_at, false from oprun.tenants where workspace_id = $2 and label = $3
limit 1
