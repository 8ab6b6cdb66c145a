-- Answers: how many of these runs of each type are stale.
-- Index: the primary key.
-- $1 run ids
select v.type, count(*) as runs
from oprun.operation_runs_view v
where v.id = any($1::uuid[]) and v.problem = 'active_stale_attention'
group by v.type
