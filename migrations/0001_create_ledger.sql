-- The ledger: what is asked for, who owns it, how it ended (docs/protocol.md §3).
-- On a live database: new tables only, nothing is locked or rewritten.

create table oprun.workspaces (
  id         uuid primary key,
  name       text not null check (name <> ''),
  created_at timestamptz not null default now(),
  constraint workspace_name_unique unique (name)
);

create table oprun.tenants (
  id           uuid primary key,
  workspace_id uuid not null references oprun.workspaces,
  external_id  uuid not null default gen_random_uuid(),
  label        text not null check (label <> ''),  -- what people call it; never an identity
  status       text not null default 'active' check (status in ('active', 'suspended')),
  created_at   timestamptz not null default now(),
  constraint external_id_unique unique (external_id),
  constraint tenant_label_unique unique (workspace_id, label),
  constraint external_id_is_v4 check (substr(external_id::text, 15, 1) = '4' and substr(external_id::text, 20, 1) in ('8', '9', 'a', 'b'))
);

-- One row per run. workspace_id and tenant_id carry no foreign keys: the claim resolves both inside its own
-- statement, and a trigger per row would cost more than the claim.
create table oprun.operation_runs (
  id                  uuid primary key,                  -- one occurrence creates at most one run (I5)
  workspace_id        uuid not null,
  tenant_id           uuid,                              -- null: the run belongs to the workspace
  type                text not null,
  run_identity_hash   bytea not null,
  follow_up           boolean not null default false,
  once                boolean not null default false,
  status              text not null,
  outcome             text not null default 'pending',
  attempt             integer not null default 0,
  max_attempts        integer not null,
  claim_token         uuid,                              -- the fence: only its holder may change a running row (I9)
  claimed_by          uuid,
  lease_expires_at    timestamptz,
  run_at              timestamptz not null default now(),
  dispatch_no         integer not null default 0,        -- publications so far; a part of the next Nats-Msg-Id
  published_seq       bigint,                            -- where the last publication stands in the stream
  due_at              timestamptz,                       -- when the relay or the sweeper must look again
  origin_stream       text,                              -- where a message-first run came from
  origin_seq          bigint,
  origin_time         timestamptz,
  input               json,                              -- json, not jsonb: the producer's bytes, \u0000 included
  initiator_name      text not null default 'system',    -- a snapshot: a later request never overwrites it
  initiator_id        uuid,
  summary_counts      jsonb,
  failure_summary     jsonb,
  context             jsonb not null default '{}',
  cooldown_until      timestamptz,
  cancel_requested_at timestamptz,
  created_at          timestamptz not null default now(),
  started_at          timestamptz,
  completed_at        timestamptz,
  updated_at          timestamptz not null default now(),
  constraint identity_is_sha256 check (octet_length(run_identity_hash) = 32),
  constraint status_is_known check (status in ('queued', 'running', 'completed')),
  constraint outcome_is_known check (outcome in ('pending', 'succeeded', 'partially_succeeded', 'blocked', 'failed', 'cancelled')),
  constraint running_is_owned check ((status = 'running') = (claim_token is not null) and (status = 'running') = (lease_expires_at is not null)),
  constraint completed_is_final check ((status = 'completed') = (completed_at is not null) and (status = 'completed') = (outcome <> 'pending')),
  constraint active_is_due check ((completed_at is null) = (due_at is not null)),
  constraint follow_up_waits check (not follow_up or status <> 'running'),
  constraint attempts_are_bounded check (attempt between 0 and max_attempts),
  -- the shape that all who read rely on; below what the bench can measure
  constraint input_is_an_object check (json_typeof(input) = 'object'),
  constraint counts_are_whole_numbers check (jsonb_typeof(summary_counts) = 'object' and not jsonb_path_exists(summary_counts,
    '$.* ? (@.type() != "number" || @ < 0 || @.floor() != @)')),
  constraint failures_are_a_short_list check (case when jsonb_typeof(failure_summary) = 'array'
    then jsonb_array_length(failure_summary) <= 20 else failure_summary is null end),
  constraint context_is_an_object check (jsonb_typeof(context) = 'object')
) with (fillfactor = 50);                                -- room for the HOT updates of claim and heartbeat

-- Active runs decide identity (I1). The predicate is completed_at, not status, so that queued -> running stays HOT.
create unique index runs_active_tenant on oprun.operation_runs (tenant_id, run_identity_hash, follow_up)
  where tenant_id is not null and completed_at is null;
create unique index runs_active_workspace on oprun.operation_runs (workspace_id, run_identity_hash, follow_up)
  where tenant_id is null and completed_at is null;
create unique index runs_once on oprun.operation_runs (workspace_id, run_identity_hash) where once;
create index runs_due on oprun.operation_runs (due_at) where due_at is not null;

-- Attempts that did not succeed first time; the happy path writes none.
create table oprun.operation_run_attempts (
  run_id      uuid not null,
  attempt     integer not null,
  claim_token uuid not null,
  claimed_by  uuid,
  result      text not null,
  error       text,                                      -- the handler's own words, at most 4 KiB
  ended_at    timestamptz not null default now(),
  primary key (run_id, attempt, claim_token),
  constraint result_is_known check (result in ('succeeded', 'failed', 'timed_out', 'panicked', 'fenced', 'cancelled', 'abandoned'))
);

-- Deliveries that did not create a run, by the id that they would have given it: a redelivered duplicate stays one.
create table oprun.operation_run_deliveries (
  id         uuid primary key,
  run_id     uuid not null,
  verdict    text not null,
  created_at timestamptz not null default now()
);

-- Messages that can never run, whole.
create table oprun.dead_letters (
  id         uuid primary key,
  stream     text not null,
  seq        bigint not null,
  store_time timestamptz not null,
  subject    text not null,
  headers    jsonb not null default '{}',                -- name -> list of values
  body       bytea not null,
  reason     text not null,
  detail     text not null default '',
  run_id     uuid,
  created_at timestamptz not null default now(),
  constraint place_unique unique (stream, seq, store_time),
  constraint reason_is_known check (reason in ('malformed', 'oversize', 'header_invalid', 'version_unknown', 'scope_unknown',
    'type_unknown', 'type_mismatch', 'identity_input_missing', 'identity_input_inexact', 'unknown_run', 'older_than_retention', 'schema'))
);

-- What people and reports read: every column of a run but its input and its token.
create view oprun.operation_runs_view as
select r.id, r.workspace_id, t.external_id as tenant_id, r.type, encode(r.run_identity_hash, 'hex') as identity_hash,
  r.follow_up, r.once, r.status, r.outcome, r.attempt, r.max_attempts, r.claimed_by, r.lease_expires_at, r.run_at,
  r.dispatch_no, r.published_seq, r.due_at, r.origin_stream, r.origin_seq, r.origin_time, r.initiator_name, r.initiator_id, r.summary_counts,
  r.failure_summary, r.context, r.cooldown_until, r.cancel_requested_at, r.created_at, r.started_at, r.completed_at, r.updated_at
from oprun.operation_runs r left join oprun.tenants t on t.id = r.tenant_id;
