-- Records: the input of a request whose own run waits for its payload, which is still only in the stream: a job that was
-- asked for in the ledger does not depend on the stream.
-- Index: the primary key.
-- $1 run id, $2 input
update oprun.operation_runs set input = $2::json where id = $1 and input is null and status = 'queued'
