-- Decides: which attempts still own their run (I9); these end it, and their effects commit with this statement.
-- Index: the primary key. An attempt whose run is not returned was fenced: roll everything back.
-- $1 run ids, $2 claim tokens, $3 outcomes, $4 summary counts, $5 failure summaries, $6 inputs to keep,
-- $7 results of the attempts, $8 error texts and $9 causes of the attempts, $10 cooldowns after a success, in ms; an empty
-- text is none, and so is null; without an outcome or a result, and without such a list, it is a success
with held as materialized (
  select r.id, r.attempt, r.claim_token, r.claimed_by, coalesce(f.outcome, 'succeeded') as outcome, nullif(f.counts, '')::jsonb as counts,
    nullif(f.failures, '')::jsonb as failures, nullif(f.input, '')::json as input,
    coalesce(f.result, 'succeeded') as result, nullif(f.error, '') as error,
    nullif(f.cause, '') as cause, f.cooldown_ms
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::text[], $10::bigint[])
    f(id, token, outcome, counts, failures, input, result, error, cause, cooldown_ms)
  join oprun.operation_runs r on r.id = f.id
  where r.claim_token = f.token
  order by r.id
  for no key update of r),
attempts as (
  insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result, error, cause)
  select h.id, h.attempt, h.claim_token, h.claimed_by, h.result, h.error, h.cause from held h
  where h.attempt > 1 or h.result <> 'succeeded' order by h.id)
update oprun.operation_runs r set status = 'completed', outcome = h.outcome, completed_at = clock_timestamp(), updated_at = clock_timestamp(),
  claim_token = null, claimed_by = null, lease_expires_at = null, due_at = null,
  summary_counts = h.counts, failure_summary = h.failures, input = coalesce(r.input, h.input),
  cooldown_until = case when h.cooldown_ms > 0 and h.outcome = 'succeeded' then clock_timestamp() + h.cooldown_ms * interval '1 millisecond' end
from held h where r.id = h.id
returning r.id
