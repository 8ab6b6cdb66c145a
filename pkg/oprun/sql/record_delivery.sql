-- Records: a request that joined another run, so that the same request joins it for ever.
-- Index: the primary key of operation_run_deliveries.
-- $1 the id that the request's occurrence derives, $2 the run, $3 verdict
insert into oprun.operation_run_deliveries (id, run_id, verdict) values ($1, $2, $3) on conflict do nothing
