-- Records: the parked runs of a tenant that resumes are due. It is sent behind tenant_status.sql, in the same transaction, and
-- so sees every run that was parked before the tenant was active again.
-- Index: runs_due, from its end.
-- $1 tenant
with parked as materialized (
  select r.id from oprun.operation_runs r
  where r.due_at = 'infinity' and r.tenant_id = $1 and r.status = 'queued'
  order by r.id
  for no key update of r)
update oprun.operation_runs r set due_at = clock_timestamp(), updated_at = clock_timestamp()
from parked where r.id = parked.id
returning r.id
