-- Answers: the newest runs that succeeded, of a type, a tenant, both or neither, by their ids.
-- Index: runs_succeeded (type's hash, tenant's hash, id). The classes, pairs of hashes that occur, are found by skipping
-- from one to the next; each gives no more than a page, and nothing below the page that the newest of all classes fill.
-- A limit that the planner cannot see (select …) keeps it from a walk along the primary key, which is short only where
-- runs of the class are spread evenly.
-- $1 before this id (null: from the newest), $2 type, $3 tenant's external id, $4 created since (each null: any), $5 no
-- such run has an id below this, $6 how many at most
with recursive tenant as materialized (
  select t.id, coalesce(uuid_hash(t.id), 0) as n from oprun.tenants t where t.external_id = $3),
class(t, n) as (
  select c.t, c.n from (
    select hashtext(r.type) as t, coalesce(uuid_hash(r.tenant_id), 0) as n from oprun.operation_runs r
    where r.outcome = 'succeeded'
      and (hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0)) >= (coalesce(hashtext($2::text), -2147483648), -2147483648)
    order by hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0) limit 1) c
  where ($2 is null or c.t = hashtext($2)) and ($3::uuid is null or exists (select from tenant))
  union all
  select c.t, c.n from class k cross join lateral (
    select hashtext(r.type) as t, coalesce(uuid_hash(r.tenant_id), 0) as n from oprun.operation_runs r
    where r.outcome = 'succeeded'  -- with a tenant, on to the next type
      and (hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0)) > (k.t, case when $3 is null then k.n else 2147483647 end)
    order by hashtext(r.type), coalesce(uuid_hash(r.tenant_id), 0) limit 1) c
  where $2 is null or c.t = hashtext($2)),
newest as materialized (
  select k.t, k.n, x.id
  from (select c.t, coalesce((select t.n from tenant t), c.n) as n from class c) k
  cross join lateral (
    select r.id from oprun.operation_runs r
    where r.outcome = 'succeeded' and hashtext(r.type) = k.t and coalesce(uuid_hash(r.tenant_id), 0) = k.n
      and r.id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') and r.id >= $5::uuid
      and ($2 is null or r.type = $2) and ($3 is null or r.tenant_id = (select t.id from tenant t))
      and ($4::timestamptz is null or r.created_at >= $4)
    order by r.id desc limit (select 1)) x
  order by x.id desc limit $6),
bound as materialized (select coalesce((select w.id from newest w order by w.id desc offset $6 - 1 limit 1), $5) as id)
select x.id
from newest w cross join lateral (
  select r.id from oprun.operation_runs r
  where r.outcome = 'succeeded' and hashtext(r.type) = w.t and coalesce(uuid_hash(r.tenant_id), 0) = w.n
    and r.id <= w.id and r.id >= (select b.id from bound b)
    and ($2 is null or r.type = $2) and ($3 is null or r.tenant_id = (select t.id from tenant t))
    and ($4 is null or r.created_at >= $4)
  order by r.id desc limit (select $6::bigint)) x
order by x.id desc limit $6
