-- Decides: whether a run whose message is lost runs with what a caller who joined it asked for.
-- Index: the primary key. A row that another transaction holds is passed over: the relay comes back to it.
-- $1 run id
update oprun.operation_runs set input = spare_input, spare_input = null
where id = (
  select r.id from oprun.operation_runs r
  where r.id = $1 and r.input is null and r.spare_input is not null and r.status = 'queued'
  for no key update of r skip locked)
returning input
