-- Waits until no transaction is at these runs any more; confirm.sql, with a snapshot taken after that, then sees how
-- they ended.
-- Index: the primary key.
-- $1 run ids
select r.id
from unnest($1::uuid[]) q(id) join oprun.operation_runs r on r.id = q.id
order by r.id
for share of r
