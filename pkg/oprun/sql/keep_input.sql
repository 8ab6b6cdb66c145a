-- Records: the payload that the relay read back from the stream, so that the row no longer needs the message.
-- Index: the primary key. A row that another transaction holds is passed over: the relay comes back to it.
-- $1 run id, $2 input, $3 what is added to its context (empty: nothing)
update oprun.operation_runs set input = $2::json,
  context = coalesce(context || nullif($3, '')::jsonb, context), updated_at = clock_timestamp()
where id = (
  select r.id from oprun.operation_runs r where r.id = $1 and r.input is null and r.completed_at is null
  for no key update of r skip locked)
