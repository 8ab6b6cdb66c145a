-- Decides: which deliveries of suspended tenants are parked: queued, with their input, and due when the tenant resumes.
-- Indexes: external_id_unique, the primary key, runs_active_tenant, runs_once. No row: the tenant is active again, or
-- another run holds the identity.
-- The tenants' rows are locked: a resume that comes meanwhile waits for this, and then finds the runs.
-- $1 run ids, $2 scope ids, $3 types, $4 identity hashes, $5 once?, $6 max attempts, $7 stream sequences, $8 store times,
-- $9 initiators, $10 inputs, $11 does the message name the run?, $12 contexts (null: {}); $13 stream
with suspended as materialized (
  select t.id, t.external_id, t.workspace_id from oprun.tenants t
  where t.external_id = any($2::uuid[]) and t.status = 'suspended'
  order by t.id
  for share),
delivery as materialized (
  select d.*, t.id as tenant_id, t.workspace_id
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::boolean[], $6::integer[], $7::bigint[], $8::timestamptz[],
      $9::text[], $10::text[], $11::boolean[], $12::text[])
    d(id, scope_id, type, hash, once, max_attempts, seq, stored_at, initiator, input, named, context)
  join suspended t on t.external_id = d.scope_id),
known as materialized (
  select r.id, case when not d.named then d.input end as input, case when not d.named then nullif(d.context, '') end as context
  from delivery d join oprun.operation_runs r on r.id = d.id
  where r.tenant_id = d.tenant_id and r.type = d.type and r.status = 'queued' and not r.follow_up
    -- only its own message brings a run its input
    and (r.input is not null or not d.named and r.origin_seq = d.seq and r.origin_time = d.stored_at and r.origin_stream = $13::text)
  order by r.id
  for no key update of r skip locked),
shelved as (
  update oprun.operation_runs r set due_at = 'infinity', input = coalesce(r.input, k.input::json),
    context = coalesce(r.context || k.context::jsonb, r.context),
    -- what a relay still records of its last publication must not make it due
    dispatch_no = r.dispatch_no + 1, published_seq = null, updated_at = clock_timestamp()
  from known k where r.id = k.id
  returning r.id),
made as (
  insert into oprun.operation_runs (id, workspace_id, tenant_id, type, run_identity_hash, once, status, max_attempts, due_at,
    origin_stream, origin_seq, origin_time, initiator_name, input, context)
  select d.id, d.workspace_id, d.tenant_id, d.type, d.hash, d.once, 'queued', d.max_attempts, 'infinity',
    $13::text, d.seq, d.stored_at, d.initiator, d.input::json, coalesce(nullif(d.context, ''), '{}')::jsonb
  from delivery d
  where not d.named and (select r.id from oprun.operation_runs r where r.id = d.id) is null
  order by d.hash, d.id
  on conflict do nothing
  returning id)
select id from shelved union all select id from made
