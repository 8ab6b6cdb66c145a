-- Records what the shadow makes of a batch of records.
-- $1 run ids, $2 scopes, $3 types, $4 streams, $5 sequences, $6 store times, $7 identity hashes, $8 verdicts, $9 owners (all
-- zeros: none), $10 reasons, $11 details, $12 why outcomes say nothing
insert into oprun.shadow_records (run_id, scope, type, stream, seq, store_time, identity_hash, verdict, owner, reason, detail, left_out)
select n.run_id, n.scope, n.type, n.stream, n.seq, n.stored_at, nullif(n.hash, ''), n.verdict,
  nullif(n.owner, '00000000-0000-0000-0000-000000000000'), n.reason, n.detail, n.left_out
from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::bytea[], $8::text[], $9::uuid[],
    $10::text[], $11::text[], $12::text[])
  n(run_id, scope, type, stream, seq, stored_at, hash, verdict, owner, reason, detail, left_out)
