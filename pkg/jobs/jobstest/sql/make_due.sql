-- Decides: that a queued run's time has come, whatever it waits for; one that is parked with its tenant goes on waiting.
-- Index: the primary key.
-- $1 run id
update oprun.operation_runs set run_at = least(run_at, now()), due_at = now()
where id = $1 and status = 'queued' and due_at <> 'infinity' and not follow_up
