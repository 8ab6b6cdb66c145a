-- Decides: which attempts still own their run (I9); these end it, and their effects commit with this statement.
-- Index: the primary key. An attempt whose run is not returned was fenced: roll everything back. For one attempt alone its last
-- line is put to use: then it fails instead, as finish_one.sql does.
-- The rows are taken in the order of wanted: it is sorted, and drives the only join that the lanes allow (TestFinishTakesRunsInOrder).
-- To lock them first, in a step of its own, would cost a twentieth of the rate and 55 bytes of WAL a job.
-- $1 run ids, $2 claim tokens, $3 outcomes, $4 summary counts, $5 failure summaries, $6 inputs to keep,
-- $7 results of the attempts, $8 error texts and $9 causes of the attempts, $10 cooldowns after a success, in ms; an empty
-- text is none, and so is null; without an outcome or a result, and without such a list, it is a success
with wanted as materialized (
  select f.id, f.token, coalesce(f.outcome, 'succeeded') as outcome, nullif(f.counts, '')::jsonb as counts,
    nullif(f.failures, '')::jsonb as failures, nullif(f.input, '')::json as input, coalesce(f.result, 'succeeded') as result,
    nullif(f.error, '') as error, nullif(f.cause, '') as cause, f.cooldown_ms
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::text[], $10::bigint[])
    f(id, token, outcome, counts, failures, input, result, error, cause, cooldown_ms)
  order by f.id),
ended as (
  update oprun.operation_runs r set status = 'completed', outcome = w.outcome, completed_at = clock_timestamp(), updated_at = clock_timestamp(),
    claim_token = null, claimed_by = null, lease_expires_at = null, due_at = null,
    summary_counts = w.counts, failure_summary = w.failures, input = coalesce(r.input, w.input),
    cooldown_until = case when w.cooldown_ms > 0 and w.outcome = 'succeeded' then clock_timestamp() + w.cooldown_ms * interval '1 millisecond' end
  from wanted w where r.id = w.id and r.claim_token = w.token
  returning r.id, r.attempt, w.token, w.result, w.error, w.cause),
attempts as (
  insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result, error, cause)
  select e.id, e.attempt, e.token, (select o.claimed_by from oprun.operation_runs o where o.id = e.id),  -- as it was before
    e.result, e.error, e.cause
  from ended e where e.attempt > 1 or e.result <> 'succeeded' order by e.id)
select id from ended
--alone union all select ('oprun: fenced ' || count(*))::uuid from ended having count(*) <> 1
