-- Copies the ledger's workspaces and tenants. All tenants are active: a suspended one's runs would wait for ever.
-- $1 ids, $2 names of workspaces; $3 ids, $4 workspaces, $5 external ids, $6 labels of tenants
with homes as (
  insert into oprun.workspaces (id, name) select w.id, w.name from unnest($1::uuid[], $2::text[]) w(id, name))
insert into oprun.tenants (id, workspace_id, external_id, label)
select t.id, t.workspace_id, t.external_id, t.label
from unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[]) t(id, workspace_id, external_id, label)
