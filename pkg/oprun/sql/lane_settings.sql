-- Settings for one statement of ours in a transaction of the caller's: the plan that the primary key serves, also on
-- a table that was never analysed. They end with the transaction.
select set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)
