-- Answers: the newest runs that ended in one of these ways, none of them as a plain success, by their ids.
-- Index: runs_unwell (way it ended, id); each way gives no more than a page.
-- A limit that the planner cannot see (select …) keeps it from a walk along the primary key, which is short only where
-- runs of the class are spread evenly.
-- $1 before this id (null: from the newest), $2 ways: outcomes, and reconciled for what housekeeping ended as failed,
-- $3 created since (null: any), $4 no such run has an id below this, $5 how many at most
select x.id
from unnest($2::text[]) e(ending) cross join lateral (
  select r.id from oprun.operation_runs r
  where r.outcome <> 'pending' and r.outcome <> 'succeeded'
    and (case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled' else r.outcome end) = e.ending
    and r.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and r.id >= $4::uuid
    and ($3::timestamptz is null or r.created_at >= $3)
  order by r.id desc limit (select $5::bigint)) x
order by x.id desc limit $5
