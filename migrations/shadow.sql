-- What a shadow has beside the tables of a ledger (docs/shadow.md). It is carried out in the schema of a shadow, in whose
-- name "oprun" is put, and never in that of the ledger.

-- Where the records come from, and whether all of them were played.
create table oprun.shadow (
  one         boolean primary key default true check (one),
  source      text not null,
  started_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz
);

-- One row per run, or request that made none: what the shadow makes of its first record.
create table oprun.shadow_records (
  run_id        uuid primary key,        -- the run's in the ledger, too: of one occurrence
  scope         text not null,
  type          text not null,
  stream        text not null,
  seq           bigint not null,
  store_time    timestamptz not null,
  identity_hash bytea,                   -- null: it has none
  verdict       text not null,
  owner         uuid,                    -- the run that stands for it
  reason        text not null default '',
  detail        text not null default '',
  left_out      text not null default '' -- why its outcome says nothing
);

-- A transaction that has a row here cannot commit: what it misses is never there.
create table oprun.shadow_guard (
  id      uuid primary key default gen_random_uuid(),
  missing uuid not null default gen_random_uuid(),
  constraint a_shadow_commits_nothing foreign key (missing) references oprun.shadow_guard (id) deferrable initially deferred
);
