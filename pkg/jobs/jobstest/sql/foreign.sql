-- Decides: how many active runs a ledger has that are none of a bench's.
-- Index: runs_due.
-- $1 the benches' workspace, by name
select count(*) from oprun.operation_runs r
where r.due_at is not null and r.workspace_id not in (select id from oprun.workspaces where name = $1)
