-- Records: a run has been published; look again when it has not been claimed for a while.
-- Index: the primary key. Where dispatch_no has moved on, another relay or an attempt was faster: nothing to record.
-- The wait is at least $4 and doubles with the run's age, up to ten minutes: no storm under a backlog.
-- $1 run ids, $2 dispatch numbers, $3 stream sequences, $4 wait in ms
with sent as materialized (
  select r.id, p.seq
  from unnest($1::uuid[], $2::integer[], $3::bigint[]) p(id, dispatch_no, seq)
  join oprun.operation_runs r on r.id = p.id
  where r.dispatch_no = p.dispatch_no and r.status = 'queued'
  order by r.id
  for no key update of r skip locked)
update oprun.operation_runs r set dispatch_no = r.dispatch_no + 1, published_seq = sent.seq, updated_at = clock_timestamp(),
  due_at = clock_timestamp() + least(greatest($4::bigint * interval '1 millisecond', clock_timestamp() - r.run_at), interval '10 minutes')
from sent where r.id = sent.id
