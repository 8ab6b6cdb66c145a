-- Answers: how many runs of each type and status are active, how many of them wait for a relay, since when the oldest is there
-- that is not parked, and whether it is so old that it may be stale.
-- Index: runs_due. Every active run is read, up to a limit, and none that has ended: their pages change all the time, so that an
-- index alone, whatever it held, could not answer for them.
-- $1 how many are read at most
select a.type, a.status, a.runs, a.due, a.oldest, coalesce(a.oldest < now() - least(j.stale_queued, j.stale_running), false) as old
from (
  select r.type, r.status, count(*) as runs, min(r.created_at) filter (where r.due_at <> 'infinity') as oldest,
    count(*) filter (where r.status = 'queued' and not r.follow_up and r.due_at <= now()) as due
  from (
    select q.type, q.status, q.follow_up, q.due_at, q.created_at from oprun.operation_runs q
    where q.due_at is not null limit $1::bigint) r
  group by r.type, r.status) a
left join oprun.job_types j on j.type = a.type
