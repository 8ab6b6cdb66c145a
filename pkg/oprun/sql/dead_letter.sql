-- Answers: one dead letter and its body.
-- Index: the primary key.
-- $1 id
select id, stream, seq, store_time, subject, headers, octet_length(body) as body_bytes, reason, detail, run_id, created_at,
  requeued_at, body
from oprun.dead_letters where id = $1
