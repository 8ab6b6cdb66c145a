-- Records: a workspace, found again by its name.
-- Index: workspace_name_unique.
-- $1 id, $2 name
with added as (
  insert into oprun.workspaces (id, name) values ($1, $2) on conflict (name) do nothing returning id, name, created_at)
select id, name, created_at, true as created from added
union all
select id, name, created_at, false from oprun.workspaces where name = $2
limit 1
