-- Records: a tenant's status. No row: there is no such tenant.
-- Index: external_id_unique. Resuming waits for the transactions that are parking runs of the tenant's (park.sql).
-- $1 external id, $2 status
update oprun.tenants set status = $2 where external_id = $1
returning id, workspace_id, external_id, label, status, created_at
