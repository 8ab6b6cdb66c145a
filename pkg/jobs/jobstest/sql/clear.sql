-- Decides: nothing; the runs and tenants of the benches' workspace are gone.
-- Index: none, they are a bench's few.
-- $1 the benches' workspace, by name
with home as materialized (select id from oprun.workspaces where name = $1),
runs as (
  delete from oprun.operation_runs r using home where r.workspace_id = home.id returning r.id),
attempts as (
  delete from oprun.operation_run_attempts a using runs where a.run_id = runs.id),
deliveries as (
  delete from oprun.operation_run_deliveries d using runs where d.run_id = runs.id)
delete from oprun.tenants t using home where t.workspace_id = home.id
