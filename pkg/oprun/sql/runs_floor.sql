-- Answers: the lowest id of the runs created since a time, and how many these are.
-- Index: runs_created, which is as good as free (BRIN), and read as a bitmap: page_settings.sql allows for no other way.
-- An id says when a run was asked for, not when its row was made: a message may have waited, a foreign id says nothing.
-- $1 created since, $2 counts no further than this
with since as materialized (
  select r.id from oprun.operation_runs r where r.outcome <> 'pending' and r.created_at >= $1 limit $2)
select count(*), coalesce((select s.id from since s order by s.id limit 1), 'ffffffff-ffff-ffff-ffff-ffffffffffff') as lowest
from since
