-- Answers: a page of runs, newest id first.
-- Index: the primary key, read backwards. A rare match reads many rows: give a time or a tenant.
-- $1 before this id (null: from the newest), $2 status, $3 outcome, $4 type, $5 tenant's external id, $6 created since
-- (each null: any), $7 how many at most
select v.* from oprun.operation_runs_view v
where ($1::uuid is null or v.id < $1) and ($2::text is null or v.status = $2) and ($3::text is null or v.outcome = $3)
  and ($4::text is null or v.type = $4) and ($5::uuid is null or v.tenant_id = $5)
  and ($6::timestamptz is null or v.created_at >= $6)
order by v.id desc limit $7
