-- Answers: places of a stream from which more than one run was created, and how many such places there are.
-- Index: none. It reads every run of the ledger: for a person who asks, never for a worker.
-- A retry of a run that has ended is a new run by right, wherever the old one came from.
-- $1 stream, $2 first and $3 last sequence, $4 first and $5 last store time, $6 how many places at most
select r.origin_seq, r.origin_time, array_agg(r.id order by r.id) as runs, count(*) over () as places
from oprun.operation_runs r
where r.origin_stream = $1::text and r.origin_seq between $2::bigint and $3::bigint
  and r.origin_time between $4::timestamptz and $5::timestamptz and not r.context ? 'retry_of'
group by r.origin_seq, r.origin_time having count(*) > 1
order by r.origin_seq, r.origin_time limit $6
