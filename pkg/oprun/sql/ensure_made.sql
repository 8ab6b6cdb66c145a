-- Answers: the run that an earlier sending of this very request made or joined.
-- Indexes: the primary keys.
-- $1 the id that the request's occurrence derives
select r.id from oprun.operation_runs r where r.id = $1
union all
select x.run_id from oprun.operation_run_deliveries x where x.id = $1
limit 1
