-- Records: what a worker's catalogue says of its types. What is said already is not written again.
-- Index: the primary key of job_types.
-- $1 types, $2 labels, $3 when a queued run is stale, in ms, $4 and a running one
insert into oprun.job_types (type, label, stale_queued, stale_running)
select d.type, d.label, d.queued * interval '1 millisecond', d.running * interval '1 millisecond'
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) d(type, label, queued, running)
order by d.type
on conflict (type) do update set label = excluded.label, stale_queued = excluded.stale_queued,
  stale_running = excluded.stale_running, updated_at = now()
where (job_types.label, job_types.stale_queued, job_types.stale_running)
  is distinct from (excluded.label, excluded.stale_queued, excluded.stale_running)
