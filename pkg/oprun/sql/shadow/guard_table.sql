-- Makes what guard.sql needs, in a database that has no shadow: it is taken back with the transaction.
create temporary table shadow_guard (
  id      uuid primary key default gen_random_uuid(),
  missing uuid not null default gen_random_uuid(),
  constraint a_shadow_commits_nothing foreign key (missing) references pg_temp.shadow_guard (id) deferrable initially deferred
)
