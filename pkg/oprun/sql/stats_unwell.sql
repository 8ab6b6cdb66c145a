-- Answers: of which types the newest runs are that ended in each of these ways.
-- Index: runs_unwell (way it ended, id), used as runs_unwell.sql uses it.
-- $1 ways: outcomes, and reconciled for what housekeeping ended as failed, $2 how many of each at most
select x.type, count(*) as runs
from unnest($1::text[]) e(ending) cross join lateral (
  select r.type from oprun.operation_runs r
  where r.outcome <> 'pending' and r.outcome <> 'succeeded'
    and (case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled' else r.outcome end) = e.ending
  order by r.id desc limit (select $2::bigint)) x
group by x.type
