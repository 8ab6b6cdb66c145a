-- Limit for the statements of a job that has a transaction of its own: they may wait and take their time, but a transaction
-- whose worker says no more, frozen or behind a network that does not tell, does not keep its locks. It ends with the
-- transaction.
select set_config('idle_in_transaction_session_timeout', '10s', true)
