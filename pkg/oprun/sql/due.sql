-- Decides: which queued runs this relay is to look at now. No other relay takes them for as long as it needs.
-- Indexes: runs_due, the primary keys.
-- The next look is moved ahead, in this statement's own commit: the relay holds no lock while it publishes, and its
-- death costs only the wait. A row that a caller has joined and not committed is passed over: it may not start yet.
-- $1 how many at most, $2 how long the relay may need, in ms, $3 of these types (null: all), $4 the stream whose payloads
-- it can read back; a run whose payload is in another has been left to that one's relays for a minute before
with due as materialized (
  select r.id, r.due_at
  from oprun.operation_runs r
  where r.due_at <= now() and r.status = 'queued' and not r.follow_up
    and ($3::text[] is null or r.type = any($3)) and (r.input is not null or r.origin_stream = $4::text or r.due_at < now() - interval '1 minute')
  order by r.due_at limit $1
  for no key update skip locked),
taken as (
  update oprun.operation_runs r set due_at = clock_timestamp() + $2::bigint * interval '1 millisecond'
  from due where r.id = due.id
  returning r.id, r.tenant_id, r.workspace_id, r.type, r.dispatch_no, r.published_seq, r.input, r.origin_stream, r.origin_seq,
    r.origin_time, r.initiator_name, r.updated_at, r.context, due.due_at as was_due)
select k.id, t.external_id as tenant, k.workspace_id, k.type, k.dispatch_no, k.published_seq, k.input, k.origin_stream,
  k.origin_seq, k.origin_time, k.initiator_name, k.updated_at, k.context->>'traceparent' as traceparent, k.context->>'tracestate' as tracestate
from taken k left join oprun.tenants t on t.id = k.tenant_id
order by k.was_due
