-- Records: messages that can never run, whole. Burying one twice changes nothing.
-- Index: place_unique.
-- $1 ids, $2 streams, $3 sequences, $4 store times, $5 subjects, $6 headers, $7 bodies, $8 reasons, $9 details, $10 run ids
insert into oprun.dead_letters (id, stream, seq, store_time, subject, headers, body, reason, detail, run_id)
select d.id, d.stream, d.seq, d.store_time, d.subject, d.headers::jsonb, d.body, d.reason, d.detail, d.run_id
from unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::uuid[])
  d(id, stream, seq, store_time, subject, headers, body, reason, detail, run_id)
order by d.stream, d.seq
on conflict do nothing
