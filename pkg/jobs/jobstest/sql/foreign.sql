-- Decides: how many runs a ledger has that are none of a bench's, as far as 1000. Those that have ended tell as well that the
-- ledger is a real one: its workers may be about to run the next.
-- Index: none, it ends with the first thousand.
-- $1 the benches' workspace, by name
select count(*) from (
  select 1 from oprun.operation_runs r
  where r.workspace_id not in (select id from oprun.workspaces where name = $1) limit 1000) others
