-- What policies need: cooldowns, schedules, retention, what a job type calls stale; and why an attempt was cancelled
-- (docs/protocol.md).
-- On a live database: new tables, and nullable columns that rewrite nothing. The index reads the table once while
-- writers wait, about a second for a million runs, and is empty until a type has a cooldown; the check reads the recorded
-- attempts once, which are few.

-- A success with a cooldown keeps its identity from being run again for a while.
create index runs_cooldown on oprun.operation_runs (run_identity_hash) where cooldown_until is not null;

-- Who or what stopped an attempt that ended as cancelled.
alter table oprun.operation_run_attempts add column cause text,
  add constraint cause_is_known check (cause in ('operator', 'drain', 'lease_lost', 'handler'));

-- What a caller who joined a queued run without input asked for: it runs only if the run's own message is lost.
alter table oprun.operation_runs add column spare_input json;

alter table oprun.dead_letters add column requeued_at timestamptz;

-- What the workers' catalogues say of a type, for the derivations of operation_runs_view. The last worker to start wins.
create table oprun.job_types (
  type          text primary key,
  label         text not null,
  stale_queued  interval not null,
  stale_running interval not null,
  updated_at    timestamptz not null default now()
);

-- The last fire time of each schedule, so that the fires missed meanwhile can be counted.
create table oprun.schedules (
  name      text primary key,
  fire_time timestamptz not null,
  fired_at  timestamptz not null default now()
);

-- What the ledger may have forgotten: an occurrence whose run id is below the floor is never run. A run is deleted
-- only when it is below a floor that has been published for a while, so that no claim can race its deletion.
create table oprun.retention_horizon (
  one         boolean primary key default true check (one),
  floor       uuid not null default '00000000-0000-0000-0000-000000000000',
  kept_since  timestamptz not null default '-infinity',
  advanced_at timestamptz not null default '-infinity'
);
insert into oprun.retention_horizon default values;

-- Freshness and problem are derived here and nowhere else; they are never stored. A running row's updated_at is when
-- it was claimed.
create or replace view oprun.operation_runs_view as
select r.id, r.workspace_id, t.external_id as tenant_id, r.type, encode(r.run_identity_hash, 'hex') as identity_hash,
  r.follow_up, r.once, r.status, r.outcome, r.attempt, r.max_attempts, r.claimed_by, r.lease_expires_at, r.run_at,
  r.dispatch_no, r.published_seq, r.due_at, r.origin_stream, r.origin_seq, r.origin_time, r.initiator_name, r.initiator_id, r.summary_counts,
  r.failure_summary, r.context, r.cooldown_until, r.cancel_requested_at, r.created_at, r.started_at, r.completed_at, r.updated_at,
  f.freshness,
  case when f.freshness = 'likely_stale' then 'active_stale_attention'
       when r.outcome in ('failed', 'blocked', 'partially_succeeded') then 'terminal_follow_up'
       else 'none' end as problem
from oprun.operation_runs r
left join oprun.tenants t on t.id = r.tenant_id
left join oprun.job_types j on j.type = r.type
cross join lateral (select case
  when r.completed_at is not null then
    case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled_failed' else 'terminal_normal' end
  when j.type is null then 'unknown'                     -- no worker's catalogue has told what stale means
  when r.due_at = 'infinity' then 'fresh_active'         -- parked: its tenant is suspended
  when r.status = 'queued' and greatest(r.run_at, r.created_at) + j.stale_queued < now() then 'likely_stale'
  when r.status = 'running' and r.updated_at + j.stale_running < now() then 'likely_stale'
  else 'fresh_active' end as freshness) f;
