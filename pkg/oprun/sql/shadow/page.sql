-- Answers: the next page of what the shadow made of its records, with the ends of the runs, by run id.
-- Indexes: the primary keys.
-- $1 the last run id of the page before, $2 how many
select n.run_id, n.scope, n.type, n.stream, n.seq, n.store_time, n.verdict, n.owner, n.reason, n.detail, n.left_out,
  r.outcome, r.summary_counts, r.failure_summary,
  (select a.error from oprun.operation_run_attempts a where a.run_id = r.id order by a.attempt desc limit 1) as error
from oprun.shadow_records n
left join oprun.operation_runs r on r.id = n.run_id and r.completed_at is not null and n.verdict = 'execute'
where n.run_id > $1 order by n.run_id limit $2
