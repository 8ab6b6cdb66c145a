-- Ends: a queued message-first run whose message the stream's leader no longer has, and whose payload was never kept.
-- Index: the primary key. dispatch_no guards against an attempt that began meanwhile. A row that another transaction
-- holds is passed over: the relay comes back to it.
-- $1 run id, $2 dispatch number
update oprun.operation_runs set status = 'completed', outcome = 'failed', completed_at = clock_timestamp(), updated_at = clock_timestamp(),
  due_at = null,
  failure_summary = '[{"code": "run.message_lost", "message": "the stream no longer holds the message of this run", "count": 1}]'
where id = (
  select r.id from oprun.operation_runs r
  where r.id = $1 and r.dispatch_no = $2 and r.status = 'queued' and r.input is null and r.origin_seq is not null
  for no key update of r skip locked)
returning id, type, outcome
