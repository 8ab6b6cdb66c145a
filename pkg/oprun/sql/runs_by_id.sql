-- Answers: these runs, newest id first.
-- Index: the primary key.
-- $1 run ids
select v.id, v.workspace_id, v.tenant_id, v.type, v.identity_hash, v.follow_up, v.once, v.status, v.outcome, v.attempt,
  v.max_attempts, v.claimed_by, v.lease_expires_at, v.run_at, v.dispatch_no, v.published_seq, nullif(v.due_at, 'infinity') as due_at, v.origin_stream,
  v.origin_seq, v.origin_time, v.initiator_name, v.initiator_id, v.summary_counts, v.failure_summary, v.context,
  v.cooldown_until, v.cancel_requested_at, v.created_at, v.started_at, v.completed_at, v.updated_at, v.freshness, v.problem
from oprun.operation_runs_view v where v.id = any($1::uuid[])
order by v.id desc
