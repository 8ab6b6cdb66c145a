-- Answers: a page of dead letters without their bodies, newest first.
-- Indexes: the primary key, letters_by_reason, letters_waiting, letters_waiting_by_reason, each read backwards.
-- $1 before this id (null: from the newest), $2 reason (null: any), $3 only those that were not requeued, $4 how many at most
select id, stream, seq, store_time, subject, headers, octet_length(body) as body_bytes, reason, detail, run_id, created_at,
  requeued_at
from oprun.dead_letters
where id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and ($2::text is null or reason = $2)
  and (not $3::boolean or requeued_at is null)
order by id desc limit $4
