-- Answers: how many of the active runs of each type are stale. Parked ones never are.
-- Index: runs_due, as in stats_active.sql. It costs twice as much as that, and is asked only when there may be some.
-- $1 how many active runs are read at most
select a.type, count(*) as runs
from (
  select v.type, v.problem from oprun.operation_runs_view v
  where v.due_at < 'infinity' limit $1::bigint) a
where a.problem = 'active_stale_attention'
group by a.type
