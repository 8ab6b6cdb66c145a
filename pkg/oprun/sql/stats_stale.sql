-- Answers: how many active runs of these types are stale.
-- Index: runs_due, as in stats_active.sql. It costs twice as much as that, and is asked only when there may be some.
-- $1 types, $2 how many active runs are read at most
select a.type, count(*) as runs
from (
  select v.type, v.problem from oprun.operation_runs_view v
  where v.due_at is not null and v.type = any($1::text[]) limit $2::bigint) a
where a.problem = 'active_stale_attention'
group by a.type
