-- Answers: how many of the active runs of each type are stale, where there are too many old ones for stats_stale.sql.
-- Index: runs_due, as in stats_active.sql; rows are read until so many are found. What is younger than any type calls stale is
-- not looked at any closer.
-- $1 how many are counted at most
select x.type, count(*) as runs
from (
  select v.type from oprun.operation_runs_view v
  where v.due_at < 'infinity' and v.problem = 'active_stale_attention'
    and v.created_at < now() - (select min(least(j.stale_queued, j.stale_running)) from oprun.job_types j)
  limit $1::bigint) x
group by x.type
