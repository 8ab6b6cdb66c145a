-- Decides: which first attempts that succeeded still own their run (I9); these end it, and their effects commit with this
-- statement. It is finish.sql for the common case, at two thirds of its cost: there is no attempt to record.
-- Index: the primary key. An attempt whose run is not returned was fenced: roll everything back.
-- $1 run ids, $2 claim tokens, $3 outcomes, $4 summary counts, $5 failure summaries, $6 cooldowns after a success, in ms; an
-- empty text is none, and so is null; without an outcome, and without such a list, it is a success
update oprun.operation_runs r set status = 'completed', outcome = f.outcome, completed_at = clock_timestamp(), updated_at = clock_timestamp(),
  claim_token = null, claimed_by = null, lease_expires_at = null, due_at = null,
  summary_counts = f.counts, failure_summary = f.failures,
  cooldown_until = case when f.cooldown_ms > 0 and f.outcome = 'succeeded' then clock_timestamp() + f.cooldown_ms * interval '1 millisecond' end
from (
  select l.id, l.token, coalesce(l.outcome, 'succeeded') as outcome, nullif(l.counts, '')::jsonb as counts,
    nullif(l.failures, '')::jsonb as failures, l.cooldown_ms
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[]) l(id, token, outcome, counts, failures, cooldown_ms)
  order by l.id) f                                         -- the join is a nested loop: the rows are locked in this order
where r.id = f.id and r.claim_token = f.token
returning r.id
