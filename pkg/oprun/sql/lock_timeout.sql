-- Makes the claim lose a lock that it waits for too long, and never the transaction that holds it.
-- $1 the wait, as a setting
select set_config('lock_timeout', $1, true)
