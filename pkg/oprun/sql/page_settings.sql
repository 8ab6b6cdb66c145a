-- Settings for the statements that read pages, in a transaction of their own on the caller's connection: plans for the
-- filters at hand, which an index serves also where nobody has analysed. A row costs the same wherever it lies, so that the
-- index which reads fewer is preferred. They end with the transaction.
-- $1 may a plan walk an index in its order?
select set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('jit', 'off', true), set_config('random_page_cost', '1', true), set_config('enable_indexscan', case when $1::boolean then 'on' else 'off' end, true)
