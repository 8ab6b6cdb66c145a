-- Lists are read in proportion to their page, by indexes that the hot path hardly pays for (docs/adr/0010), and the
-- tables are vacuumed like the queue that they are.
-- On a live database: each index reads its table once while writers wait, about two seconds for a million runs that
-- succeeded. Where that is too long, make them beforehand with "create index concurrently" and the rest of the
-- statement as it stands here: what is there already is not made again. One that has failed leaves an invalid index
-- behind: drop it before. The settings rewrite nothing.

-- A run is in one class: active (runs_due, runs_active_tenant), succeeded, or one of those below. The entry of a success
-- is written once, at its finish. It holds hashes, not names: that is a third less WAL, and comparing numbers is half the work.
create index if not exists runs_succeeded on oprun.operation_runs
  (hashtext(type), coalesce(uuid_hash(tenant_id), 0), id) with (deduplicate_items = off) where outcome = 'succeeded';

-- What an operator looks for is rare, and pays for more than one order. The predicates are in words that no statement of
-- the hot path uses: these indexes must not be taken for its rows (plans_test.go).
create index if not exists runs_unwell on oprun.operation_runs
  ((case when outcome = 'failed' and context ? 'reconciliation' then 'reconciled' else outcome end), id)
  where outcome <> 'pending' and outcome <> 'succeeded';
create index if not exists runs_unwell_in_scope on oprun.operation_runs
  ((case when outcome = 'failed' and context ? 'reconciliation' then 'reconciled' else outcome end),
   hashtext(type), coalesce(uuid_hash(tenant_id), 0), id)
  where outcome <> 'pending' and outcome <> 'succeeded';
create index if not exists letters_by_reason on oprun.dead_letters (reason, id);
create index if not exists letters_waiting on oprun.dead_letters (id) where requeued_at is null;
create index if not exists letters_waiting_by_reason on oprun.dead_letters (reason, id) where requeued_at is null;

-- Runs made since a time: ids tell when a run was asked for, which may be long before.
create index if not exists runs_created on oprun.operation_runs using brin (created_at) with (autosummarize = on)
  where outcome <> 'pending';

-- A run leaves one dead row and four dead index entries behind, and the small indexes of active runs are read all the
-- time: what vacuum does has to follow the work done, not the size of what is kept (the default, a fifth, of ten million
-- rows would be two million dead entries in runs_due). Cost limit: the default of 200 lets a vacuum dirty 5,000 pages a second;
-- at 50,000 jobs a second the workers dirty 3,600 of the table (14 rows each) and as many of indexes.
alter table oprun.operation_runs set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_insert_threshold = 20000,
  autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);
alter table oprun.operation_run_attempts set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);
alter table oprun.operation_run_deliveries set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000);
