-- Records: a published run still waits in the stream; look again later instead of publishing it twice.
-- Index: the primary key. The wait is at least $3 and doubles with the run's age, up to ten minutes.
-- $1 run ids, $2 dispatch numbers, $3 wait in ms
with waiting as materialized (
  select r.id
  from unnest($1::uuid[], $2::integer[]) p(id, dispatch_no)
  join oprun.operation_runs r on r.id = p.id
  where r.dispatch_no = p.dispatch_no and r.status = 'queued'
  order by r.id
  for no key update of r skip locked)
update oprun.operation_runs r set  -- updated_at stays: it is when the run was published
  due_at = clock_timestamp() + least(greatest($3::bigint * interval '1 millisecond', clock_timestamp() - r.run_at), interval '10 minutes')
from waiting where r.id = waiting.id
