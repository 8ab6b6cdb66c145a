-- Limits for statements that handlers have queued, while they run beside those of other jobs: one that waits for a lock or takes
-- long goes by itself later, and does not hold up its neighbours. A transaction that its worker has lost is not kept open
-- by a network that does not say so. They end with the transaction.
-- $1 the longest wait for a lock, $2 the longest time of a statement, as settings
select set_config('lock_timeout', $1, true), set_config('statement_timeout', $2, true),
  set_config('idle_in_transaction_session_timeout', '10s', true)
