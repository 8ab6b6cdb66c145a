-- Deletes: a page of the runs that are older than retention, and their attempts, in the order of their ids.
-- Indexes: the primary keys. Active runs stay, and so do those that completed later or still cool their identity down.
-- A run that happens once for a natural key stays for ever, without what it carried; one of a schedule does not: no
-- schedule fires a time that is older than retention. Two deleters pass over each other's rows.
-- $1 after this id, $2 below this id, $3 completed before, $4 how many ids at most, $5 do it, or only count?
with page as materialized (
  select r.id, r.once and not r.context ? 'schedule' as stays,
    coalesce(r.completed_at < $3 and coalesce(r.cooldown_until, '-infinity') < now(), false) as expired
  from oprun.operation_runs r where r.id > $1 and r.id < $2 order by r.id limit $4),
held as materialized (
  select r.id, p.stays
  from page p join oprun.operation_runs r on r.id = p.id
  where p.expired and $5::boolean
    and (not p.stays or r.input is not null or r.failure_summary is not null or r.context <> '{}')
  order by r.id
  for update of r skip locked),
attempts as (
  delete from oprun.operation_run_attempts a using held h where a.run_id = h.id and not h.stays),
deleted as (
  delete from oprun.operation_runs r using held h where r.id = h.id and not h.stays returning r.id),
stripped as (
  update oprun.operation_runs r set input = null, failure_summary = null, context = '{}' from held h where r.id = h.id and h.stays)
select (select p.id from page p order by p.id desc limit 1) as last, count(*) as seen, count(*) filter (where p.expired) as candidates,
  case when $5 then (select count(*) from deleted) else count(*) filter (where p.expired and not p.stays) end as deleted
from page p
