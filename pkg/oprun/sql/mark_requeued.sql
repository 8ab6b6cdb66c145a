-- Records: that a dead letter's message is in the stream again. No row: there is no such letter.
-- Index: the primary key. A letter that is requeued again has the later time.
-- $1 id
update oprun.dead_letters set requeued_at = clock_timestamp() where id = $1
returning requeued_at
