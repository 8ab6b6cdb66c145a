-- Answers: every tenant, by label.
select id, workspace_id, external_id, label, status, created_at from oprun.tenants order by label, id
