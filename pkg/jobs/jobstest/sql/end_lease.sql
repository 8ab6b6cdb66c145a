-- Decides: that the time of a run's lease is over, as if its worker had not beaten for an hour.
-- Index: the primary key.
-- $1 run id
update oprun.operation_runs set lease_expires_at = now() - interval '1 hour'
where id = $1 and status = 'running'
