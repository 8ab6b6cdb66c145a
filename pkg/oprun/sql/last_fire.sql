-- Answers: when a schedule fired last.
-- Index: the primary key of schedules.
-- $1 name
select fire_time from oprun.schedules where name = $1
