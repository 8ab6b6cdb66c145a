-- Settings for the statements that read figures of the whole ledger, on a lane: they join many rows with the few of
-- job_types, and give up by themselves before whoever asks does. They end with the transaction.
-- $1 how long a statement may take, in ms
select set_config('enable_hashjoin', 'on', true), set_config('statement_timeout', $1::text, true)
