-- Decides: whether a first attempt that succeeded still owns its run (I9); then it ends it, and its effects commit with this
-- statement, which is the last of the handler's own transaction. It is finish.sql for the one job and the common case, at a
-- third of its cost: there is no batch to sort, and no attempt to record.
-- Index: the primary key. It answers nothing. When the attempt was fenced it fails, by the cast of a text that is no uuid
-- (errors.go knows it), so that a COMMIT sent behind it is not carried out.
-- $1 run id, $2 claim token, $3 outcome, $4 summary counts, $5 failure summary (an empty text is none), $6 cooldown after a
-- success, in ms
with ended as (
  update oprun.operation_runs r set status = 'completed', outcome = $3::text, completed_at = clock_timestamp(), updated_at = clock_timestamp(),
    claim_token = null, claimed_by = null, lease_expires_at = null, due_at = null,
    summary_counts = nullif($4::text, '')::jsonb, failure_summary = nullif($5::text, '')::jsonb,
    cooldown_until = case when $6::bigint > 0 and $3 = 'succeeded' then clock_timestamp() + $6 * interval '1 millisecond' end
  where r.id = $1::uuid and r.claim_token = $2::uuid
  returning r.id)
select ('oprun: fenced ' || count(*))::uuid from ended having count(*) <> 1
