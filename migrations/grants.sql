-- What the roles of deploy/roles.sql may do, and no more. It is carried out at the end of every `consumer migrate up`,
-- in the same transaction, in a database whose schema oprun belongs to oprun_owner; elsewhere roles are not used.
-- What else was granted to the three is taken away. On a live database: nothing is locked but for a moment.
revoke all on schema oprun from public, oprun_runner, oprun_publisher, oprun_reader;
revoke all on all tables in schema oprun from public, oprun_runner, oprun_publisher, oprun_reader;
grant usage on schema oprun to oprun_runner, oprun_publisher, oprun_reader;
grant select on oprun.schema_migrations to oprun_runner, oprun_publisher, oprun_reader;

-- Works on runs, and operates them: cancel, retry, requeue, suspend and resume. It makes no tenant, and no table.
grant select on oprun.workspaces to oprun_runner;
grant select, update (status) on oprun.tenants to oprun_runner;
grant select, insert, update, delete on oprun.operation_runs, oprun.operation_run_attempts,
  oprun.operation_run_deliveries, oprun.dead_letters to oprun_runner;
grant select, insert, update on oprun.job_types, oprun.schedules to oprun_runner;
grant select, update on oprun.retention_horizon to oprun_runner;
grant select on oprun.operation_runs_view to oprun_runner;

-- Asks for runs and follows them. Of the columns it may write none can say that a run is held, or has ended.
grant select on oprun.workspaces, oprun.tenants, oprun.retention_horizon, oprun.operation_runs_view to oprun_publisher;
grant select (id, workspace_id, tenant_id, type, run_identity_hash, follow_up, once, status, input, spare_input, cooldown_until,
    completed_at),
  insert (id, workspace_id, tenant_id, type, run_identity_hash, follow_up, once, status, run_at, due_at, input,
    initiator_name, initiator_id, max_attempts, context),
  update (spare_input)
  on oprun.operation_runs to oprun_publisher;
grant select, insert on oprun.operation_run_deliveries to oprun_publisher;

-- Looks: at everything but inputs, tokens, and the bodies of dead letters.
grant select on oprun.workspaces, oprun.tenants, oprun.operation_run_deliveries, oprun.job_types, oprun.schedules,
  oprun.retention_horizon, oprun.operation_runs_view to oprun_reader;
grant select (id, workspace_id, tenant_id, type, run_identity_hash, follow_up, once, status, outcome, attempt, max_attempts, claimed_by,
    lease_expires_at, run_at, dispatch_no, published_seq, due_at, origin_stream, origin_seq, origin_time, initiator_name,
    initiator_id, summary_counts, failure_summary, context, cooldown_until, cancel_requested_at, created_at, started_at,
    completed_at, updated_at)
  on oprun.operation_runs to oprun_reader;
grant select (run_id, attempt, claimed_by, result, error, cause, ended_at) on oprun.operation_run_attempts to oprun_reader;
grant select (id, stream, seq, store_time, subject, headers, reason, detail, run_id, created_at, requeued_at)
  on oprun.dead_letters to oprun_reader;
