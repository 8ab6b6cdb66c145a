-- Answers: how many runs of each type and status are active, how many of them stand still for too long or wait for a relay,
-- and since when the oldest that is not parked is there.
-- Index: runs_due. Every active run is read, up to a limit, and none that has ended.
-- $1 how many are read at most
select a.type, a.status, count(*) as runs, count(*) filter (where a.problem = 'active_stale_attention') as stale,
  count(*) filter (where a.status = 'queued' and not a.follow_up and a.due_at <= now()) as due,
  min(a.created_at) filter (where a.due_at <> 'infinity') as oldest
from (
  select v.type, v.status, v.problem, v.follow_up, v.due_at, v.created_at from oprun.operation_runs_view v
  where v.due_at is not null limit $1::bigint) a
group by a.type, a.status
