-- Settings for one statement that reads figures of the whole ledger, on a lane: it may join many rows with the few of
-- job_types, groups them as they come (there are few types, whatever the planner fears of their lists of ids), has one processor, and
-- gives up by itself before whoever asks does. They end with the transaction.
-- $1 how long it may take, in ms
select set_config('enable_hashjoin', 'on', true), set_config('enable_sort', 'off', true), set_config('max_parallel_workers_per_gather', '0', true),
  set_config('statement_timeout', $1::text, true)
