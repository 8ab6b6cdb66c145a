-- Answers: the running runs whose time has come to be looked at, the latest first.
-- Index: runs_due. It locks nothing: sweep.sql judges each again.
-- $1 how many at most
select r.id from oprun.operation_runs r
where r.due_at <= now() and r.status = 'running'
order by r.due_at limit $1
