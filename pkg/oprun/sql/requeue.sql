-- Decides: when an attempt that did not end its run is tried again; its input stays in the row, so the message may go.
-- Indexes: the primary keys. A run that asked to be cancelled, or has no attempt left, ends here instead.
-- Giving back (a snooze, a shutdown) raises max_attempts by one, since attempt never falls (I8).
-- $1 run ids, $2 claim tokens, $3 delays in ms, $4 give back?, $5 inputs, $6 results of the attempts, $7 error texts,
-- $8 failure summaries (for a run that ends), $9 causes of the attempts, $10 what is added to the runs' contexts; an empty text
-- is none, and so is null without the tenth list
with held as materialized (
  select r.id, r.attempt, r.claim_token, r.claimed_by, q.give_back, nullif(q.input, '')::json as input,
    nullif(q.result, '') as result, nullif(q.error, '') as error, nullif(q.failures, '')::jsonb as failures, nullif(q.cause, '') as cause,
    nullif(q.context, '')::jsonb as context,
    clock_timestamp() + q.delay_ms * interval '1 millisecond' as next_at,
    case when r.cancel_requested_at is not null then 'cancelled'
         when not q.give_back and r.attempt >= r.max_attempts then 'failed' end as ends
  from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::text[],
      $9::text[], $10::text[])
    q(id, token, delay_ms, give_back, input, result, error, failures, cause, context)
  join oprun.operation_runs r on r.id = q.id
  where r.claim_token = q.token
  order by r.id
  for no key update of r),
attempts as (
  insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result, error, cause)
  select h.id, h.attempt, h.claim_token, h.claimed_by, h.result, h.error, h.cause from held h
  where h.result is not null order by h.id),
-- sent again, since its answer was lost: the attempt's own record tells that it was this one that parked the run
before as (
  select r.id, case when r.completed_at is not null and r.attempt = a.attempt then r.outcome else 'pending' end as outcome
  from unnest($1::uuid[], $2::uuid[], $6::text[]) q(id, token, result)
  join oprun.operation_run_attempts a on a.run_id = q.id and a.claim_token = q.token and a.result = q.result
  join oprun.operation_runs r on r.id = q.id),
parked as (
  update oprun.operation_runs r set
    status = case when h.ends is null then 'queued' else 'completed' end,
    outcome = coalesce(h.ends, 'pending'),
    completed_at = case when h.ends is not null then clock_timestamp() end,
    failure_summary = case h.ends when 'failed' then h.failures end,
    claim_token = null, claimed_by = null, lease_expires_at = null,
    max_attempts = r.max_attempts + h.give_back::integer,
    dispatch_no = r.dispatch_no + 1, published_seq = null,
    run_at = h.next_at, due_at = case when h.ends is null then h.next_at end,
    input = coalesce(r.input, h.input), context = coalesce(r.context || h.context, r.context), updated_at = clock_timestamp()
  from held h where r.id = h.id
  returning r.id, r.outcome)
select id, outcome from parked union all select id, outcome from before
