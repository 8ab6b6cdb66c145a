-- Decides: why the message at this place can never run.
-- Index: place_unique.
-- $1 stream, $2 sequence
select reason, detail from oprun.dead_letters where stream = $1 and seq = $2
order by store_time desc limit 1
