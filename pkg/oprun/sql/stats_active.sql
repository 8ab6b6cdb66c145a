-- Answers: how many runs of each type are queued and running, since when the oldest of each is there that is not parked, whether
-- one of these is so old that it may be stale, and the ids of those that are older than any type calls stale (null: they
-- were not asked for, or there are more than $2).
-- Index: runs_due. Every active run is read, up to a limit, and none that has ended: their pages change all the time, so that an
-- index alone, whatever it held, could not answer for them. Said with claim_token, which only a running row has, and grouped by the
-- type alone, it takes a fifth less.
-- $1 how many are read at most, parked ones apart, $2 how many ids of a type are told at most, $3 are ids asked for? To gather
-- very many takes a fifth more
select s.type, sum(s.queued)::bigint as queued, sum(s.running)::bigint as running, min(s.oldest_queued) as oldest_queued,
  min(s.oldest_running) as oldest_running, bool_or(s.old) as old,
  max(s.eldest) as eldest, sum(s.elders)::bigint as elders
from (
  select a.type, a.runs - a.running as queued, a.running, a.oldest_queued, a.oldest_running,
    coalesce(least(a.oldest_queued + j.stale_queued, a.oldest_running + j.stale_running) < now(), false) as old,
    case when $3::boolean and a.elders <= $2::bigint then coalesce(a.eldest, '{}') end as eldest,
    a.elders
  from (
    select r.type, count(*) as runs, count(r.claim_token) as running,
      min(r.created_at) filter (where r.claim_token is null) as oldest_queued,
      min(r.created_at) filter (where r.claim_token is not null) as oldest_running,
      count(*) filter (where r.elder) as elders, array_agg(r.id) filter (where $3::boolean and r.elder) as eldest
    from (
      select q.id, q.type, q.claim_token, q.created_at,
        q.created_at < now() - (select min(least(j.stale_queued, j.stale_running)) from oprun.job_types j) as elder
      from oprun.operation_runs q
      where q.due_at < 'infinity' limit $1::bigint) r
    group by r.type) a
  left join oprun.job_types j on j.type = a.type
  union all
  select p.type, count(*) - count(p.claim_token), count(p.claim_token), null, null, false, null, 0
  from (select q.type, q.claim_token from oprun.operation_runs q where q.due_at = 'infinity' limit $1::bigint) p
  group by p.type) s
group by s.type
