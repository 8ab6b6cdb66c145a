-- Answers: what the ledger has of each message: its run, the run it joined, its dead letter.
-- Indexes: the primary keys of runs, deliveries and attempts, place_unique, external_id_unique.
-- made_here tells the message that created the run from others of the same occurrence, and from publications of the run.
-- $1 run ids (named or derived; all zeros: unreadable), $2 tenant scoped?, $3 scope ids, $4 types, $5 does the message
-- name the run?, $6 stream sequences, $7 store times; $8 stream
select d.ord, own.id as run, coalesce(own.origin_stream = $8::text and own.origin_seq = d.seq and own.origin_time = d.stored_at, false) as made_here,
  seen.run_id as joined, letter.id as dead_letter,
  (select count(*) from oprun.operation_run_attempts a
   where a.run_id = own.id and own.outcome = 'succeeded' and a.result = 'succeeded') as successes,
  own.outcome, own.completed_at
from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::boolean[], $6::bigint[], $7::timestamptz[])
  with ordinality d(id, tenant_scoped, scope_id, type, named, seq, stored_at, ord)
left join lateral (
  select r.id, r.outcome, r.completed_at, r.origin_stream, r.origin_seq, r.origin_time from oprun.operation_runs r
  where r.id = d.id and r.type = d.type and case
    when d.tenant_scoped then r.tenant_id = (select t.id from oprun.tenants t where t.external_id = d.scope_id)
    else r.tenant_id is null and r.workspace_id = d.scope_id end
  limit 1) own on true
left join lateral (
  select x.run_id from oprun.operation_run_deliveries x where x.id = d.id limit 1) seen on not d.named
left join lateral (
  select l.id from oprun.dead_letters l where l.stream = $8::text and l.seq = d.seq and l.store_time = d.stored_at limit 1) letter on true
order by d.ord
