-- Answers: the recorded attempts of a run: all that did not succeed first time.
-- Index: the primary key of operation_run_attempts.
-- $1 run id
select attempt, claimed_by, result, coalesce(error, '') as error, coalesce(cause, '') as cause, ended_at
from oprun.operation_run_attempts where run_id = $1 order by attempt, ended_at
