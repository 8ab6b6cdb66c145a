-- Deletes: a page of the dead letters that were requeued, and that longer ago than retention, in the order of their ids.
-- Index: the primary key. A letter that nobody has requeued stays until somebody does.
-- $1 after this id, $2 below this id, $3 requeued before, $4 how many ids at most, $5 do it, or only count?
with page as materialized (
  select d.id, coalesce(d.requeued_at < $3, false) as expired
  from oprun.dead_letters d where d.id > $1 and d.id < $2 order by d.id limit $4),
held as materialized (
  select d.id from page p join oprun.dead_letters d on d.id = p.id
  where p.expired and $5::boolean
  order by d.id
  for update of d skip locked),
deleted as (
  delete from oprun.dead_letters d using held h where d.id = h.id returning d.id)
select (select p.id from page p order by p.id desc limit 1) as last, count(*) as seen, count(*) filter (where p.expired) as candidates,
  case when $5 then (select count(*) from deleted) else count(*) filter (where p.expired) end as deleted
from page p
