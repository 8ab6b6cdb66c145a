-- Answers: every workspace, by name.
select id, name, created_at from oprun.workspaces order by name
