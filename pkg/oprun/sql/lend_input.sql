-- Records: the input of a request whose own run waits for its payload, which is still only in the stream. It is a spare: a
-- job that was asked for in the ledger does not depend on the stream.
-- Index: the primary key.
-- $1 run id, $2 input
update oprun.operation_runs set spare_input = $2::json
where id = $1 and input is null and spare_input is null and status = 'queued'
