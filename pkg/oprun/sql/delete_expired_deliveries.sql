-- Deletes: a page of the recorded deliveries that are older than retention, in the order of their ids.
-- Index: the primary key.
-- $1 after this id, $2 below this id, $3 recorded before, $4 how many ids at most, $5 do it, or only count?
with page as materialized (
  select x.id, x.created_at < $3 as expired
  from oprun.operation_run_deliveries x where x.id > $1 and x.id < $2 order by x.id limit $4),
held as materialized (
  select x.id from page p join oprun.operation_run_deliveries x on x.id = p.id
  where p.expired and $5::boolean
  order by x.id
  for update of x skip locked),
deleted as (
  delete from oprun.operation_run_deliveries x using held h where x.id = h.id returning x.id)
select (select p.id from page p order by p.id desc limit 1) as last, count(*) as seen, count(*) filter (where p.expired) as candidates,
  case when $5 then (select count(*) from deleted) else count(*) filter (where p.expired) end as deleted
from page p
