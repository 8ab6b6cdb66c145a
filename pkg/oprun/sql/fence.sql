-- Records: attempts that came too late and were rolled back.
-- Index: the primary key of operation_run_attempts. The abandoned attempt, if it is known as one, becomes fenced.
-- $1 run ids, $2 attempts, $3 claim tokens, $4 worker
insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result)
select q.id, q.attempt, q.token, $4::uuid, 'fenced'
from unnest($1::uuid[], $2::integer[], $3::uuid[]) q(id, attempt, token)
order by q.id
on conflict (run_id, attempt, claim_token) do update set result = 'fenced'
where operation_run_attempts.result = 'abandoned'
