-- Answers: what the ledger made of messages that are no run: the verdict on each and the run that stands for it, or the
-- reason of its dead letter.
-- Indexes: the primary key of deliveries, place_unique.
-- $1 run ids that the messages would have given, $2 streams, $3 sequences, $4 store times
select d.ord, seen.run_id, seen.verdict, seen.created_at, letter.reason
from unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[]) with ordinality d(id, stream, seq, stored_at, ord)
left join lateral (
  select x.run_id, x.verdict, x.created_at from oprun.operation_run_deliveries x where x.id = d.id limit 1) seen on true
left join lateral (
  select l.reason from oprun.dead_letters l where l.stream = d.stream and l.seq = d.seq and l.store_time = d.stored_at limit 1) letter on true
order by d.ord
