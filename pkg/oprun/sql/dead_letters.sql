-- Answers: a page of dead letters without their bodies, newest first.
-- Index: the primary key, read backwards.
-- $1 before this id (null: from the newest), $2 reason (null: any), $3 only those that were not requeued, $4 how many at most
select id, stream, seq, store_time, subject, headers, octet_length(body) as body_bytes, reason, detail, run_id, created_at,
  requeued_at
from oprun.dead_letters
where ($1::uuid is null or id < $1) and ($2::text is null or reason = $2) and (not $3::boolean or requeued_at is null)
order by id desc limit $4
