-- Answers: the newest runs of a type, a tenant or both that ended in one of these ways, by their ids.
-- Index: runs_unwell_in_scope (way it ended, type's hash, tenant's hash, id), used as runs_succeeded.sql uses its own.
-- $1 before this id (null: from the newest), $2 ways: outcomes, and reconciled for what housekeeping ended as failed,
-- $3 type, $4 tenant's external id, $5 created since (each null: any), $6 no such run has an id below this, $7 how many
with recursive tenant as materialized (
  select t.id, coalesce(uuid_hash(t.id), 0) as n from oprun.tenants t where t.external_id = $4),
class(e, t, n) as (
  select e.ending, c.t, c.n from unnest($2::text[]) e(ending) cross join lateral (
    select hashtext(r.type) as t, coalesce(uuid_hash(r.tenant_id), 0) as n from oprun.operation_runs r
    where r.outcome <> 'pending' and r.outcome <> 'succeeded'
      and (case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled' else r.outcome end) = e.ending
      and (hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0)) >= (coalesce(hashtext($3::text), -2147483648), -2147483648)
    order by hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0) limit 1) c
  where ($3 is null or c.t = hashtext($3)) and ($4::uuid is null or exists (select from tenant))
  union all
  select k.e, c.t, c.n from class k cross join lateral (
    select hashtext(r.type) as t, coalesce(uuid_hash(r.tenant_id), 0) as n from oprun.operation_runs r
    where r.outcome <> 'pending' and r.outcome <> 'succeeded'
      and (case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled' else r.outcome end) = k.e
      and (hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0)) > (k.t, case when $4 is null then k.n else 2147483647 end)
    order by hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0) limit 1) c
  where $3 is null or c.t = hashtext($3)),
newest as materialized (
  select k.e, k.t, k.n, x.id
  from (select c.e, c.t, coalesce((select t.n from tenant t), c.n) as n from class c) k
  cross join lateral (
    select r.id from oprun.operation_runs r
    where r.outcome <> 'pending' and r.outcome <> 'succeeded'
      and (case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled' else r.outcome end) = k.e
      and hashtext(r.type) = k.t and coalesce(uuid_hash(r.tenant_id), 0) = k.n
      and r.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and r.id >= $6::uuid
      and ($3 is null or r.type = $3) and ($4 is null or r.tenant_id = (select t.id from tenant t))
      and ($5::timestamptz is null or r.created_at >= $5)
    order by r.id desc limit (select 1)) x
  order by x.id desc limit $7),
bound as materialized (select coalesce((select w.id from newest w order by w.id desc offset $7 - 1 limit 1), $6) as id)
select x.id
from newest w cross join lateral (
  select r.id from oprun.operation_runs r
  where r.outcome <> 'pending' and r.outcome <> 'succeeded'
    and (case when r.outcome = 'failed' and r.context ? 'reconciliation' then 'reconciled' else r.outcome end) = w.e
    and hashtext(r.type) = w.t and coalesce(uuid_hash(r.tenant_id), 0) = w.n
    and r.id <= w.id and r.id >= (select b.id from bound b)
    and ($3 is null or r.type = $3) and ($4 is null or r.tenant_id = (select t.id from tenant t))
    and ($5 is null or r.created_at >= $5)
  order by r.id desc limit (select $7::bigint)) x
order by x.id desc limit $7
