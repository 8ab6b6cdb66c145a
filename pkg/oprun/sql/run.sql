-- Answers: runs, without their inputs and their tokens.
-- Index: the primary key. The limit is all of them, and has the planner expect one: see ensure_new.sql.
-- $1 run ids
select v.id, v.workspace_id, v.tenant_id, v.type, v.identity_hash, v.follow_up, v.once, v.status, v.outcome, v.attempt,
  v.max_attempts, v.claimed_by, v.lease_expires_at, v.run_at, v.dispatch_no, v.published_seq, nullif(v.due_at, 'infinity') as due_at, v.origin_stream,
  v.origin_seq, v.origin_time, v.initiator_name, v.initiator_id, v.summary_counts, v.failure_summary, v.context,
  v.cooldown_until, v.cancel_requested_at, v.created_at, v.started_at, v.completed_at, v.updated_at, v.freshness, v.problem
from (select i.id from unnest($1::uuid[]) i(id) limit cardinality($1::uuid[])) i
join oprun.operation_runs_view v on v.id = i.id
