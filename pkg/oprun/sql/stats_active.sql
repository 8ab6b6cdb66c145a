-- Answers: how many runs of each type are queued and running, since when the oldest of each is there that is not parked, and
-- whether one of these is so old that it may be stale.
-- Index: runs_due. Every active run is read, up to a limit, and none that has ended: their pages change all the time, so that an
-- index alone, whatever it held, could not answer for them. Said with claim_token, which only a running row has, and grouped by the
-- type alone, it takes a fifth less.
-- $1 how many are read at most, parked ones apart
select s.type, sum(s.queued)::bigint as queued, sum(s.running)::bigint as running, min(s.oldest_queued) as oldest_queued,
  min(s.oldest_running) as oldest_running, bool_or(s.old) as old
from (
  select a.type, a.runs - a.running as queued, a.running, a.oldest_queued, a.oldest_running,
    coalesce(least(a.oldest_queued + j.stale_queued, a.oldest_running + j.stale_running) < now(), false) as old
  from (
    select r.type, count(*) as runs, count(r.claim_token) as running,
      min(r.created_at) filter (where r.claim_token is null) as oldest_queued,
      min(r.created_at) filter (where r.claim_token is not null) as oldest_running
    from (
      select q.type, q.claim_token, q.created_at from oprun.operation_runs q
      where q.due_at < 'infinity' limit $1::bigint) r
    group by r.type) a
  left join oprun.job_types j on j.type = a.type
  union all
  select p.type, count(*) - count(p.claim_token), count(p.claim_token), null, null, false
  from (select q.type, q.claim_token from oprun.operation_runs q where q.due_at = 'infinity' limit $1::bigint) p
  group by p.type) s
group by s.type
