-- Sets whether what a session does outside of its transactions may write, and tells what was so before.
-- $1 on or off
select current_setting('default_transaction_read_only') as before, set_config('default_transaction_read_only', $1, false)
