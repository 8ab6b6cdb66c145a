-- Decides: whether an attempt whose last commit had no answer did end its run.
-- Indexes: the primary keys. Whoever takes a run from an attempt records that attempt as abandoned in the same
-- statement, so a completed run without that record was completed by the attempt that asks.
-- $1 run ids, $2 attempts, $3 claim tokens
select r.id, r.outcome
from unnest($1::uuid[], $2::integer[], $3::uuid[]) q(id, attempt, token)
join oprun.operation_runs r on r.id = q.id
where r.completed_at is not null and r.attempt = q.attempt
  and (select a.run_id from oprun.operation_run_attempts a
       where a.run_id = q.id and a.attempt = q.attempt and a.claim_token = q.token and a.result in ('abandoned', 'fenced')) is null
