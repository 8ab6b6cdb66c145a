-- Decides: which bench may use this ledger. The others wait until the session ends.
select pg_advisory_lock(hashtextextended('oprun.jobstest', 0))
