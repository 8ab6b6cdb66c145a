-- Answers: how many queued runs wait for a relay to publish them now.
-- Index: runs_due.
-- $1 how many are counted at most
select count(*) from (
  select 1 from oprun.operation_runs r
  where r.due_at <= now() and r.status = 'queued' and not r.follow_up limit $1::bigint) due
