-- Decides: whether a session of this database waits for another one's lock.
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
