-- Records: that a schedule has fired. It never goes back.
-- Index: the primary key of schedules.
-- $1 name, $2 fire time
insert into oprun.schedules (name, fire_time) values ($1, $2)
on conflict (name) do update set fire_time = excluded.fire_time, fired_at = now()
where schedules.fire_time < excluded.fire_time
