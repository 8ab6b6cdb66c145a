-- Answers: the newest active runs that a filter selects, by their ids.
-- Index: runs_active_tenant for a tenant, else runs_due. Every active run of it is read, and none that has ended.
-- $1 before this id (null: from the newest), $2 status, $3 type, $4 tenant's external id, $5 created since, $6 freshness,
-- $7 problem (each null: any), $8 how many at most
with active as materialized (  -- and sorted afterwards: the primary key would have to pass all that has ended
  select v.id from oprun.operation_runs_view v
  where v.completed_at is null and v.due_at is not null
    and ($2::text is null or v.status = $2) and ($3::text is null or v.type = $3) and ($4::uuid is null or v.tenant_id = $4)
    and ($5::timestamptz is null or v.created_at >= $5)
    and ($6::text is null or v.freshness = $6) and ($7::text is null or v.problem = $7))
select a.id from active a
where a.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
order by a.id desc limit $8
