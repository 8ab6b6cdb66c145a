-- Decides: whether a follow-up that waits behind nobody becomes the owner. It fails with 23505 when a new owner is
-- quicker: then it goes on waiting.
-- Index: the primary key.
-- $1 run id
update oprun.operation_runs set follow_up = false, due_at = greatest(clock_timestamp(), run_at), dispatch_no = dispatch_no + 1, updated_at = clock_timestamp()
where id = (
  select f.id from oprun.operation_runs f where f.id = $1 and f.follow_up and f.status = 'queued'
  for no key update of f skip locked)
returning id
