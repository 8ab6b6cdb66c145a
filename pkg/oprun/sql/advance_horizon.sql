-- Decides: from when on the ledger no longer promises to know a run: its floor is the id that a run of that millisecond
-- would begin with. It never goes back, and stays for a minute at least: only after that may rows below it be deleted.
-- Index: the primary key of retention_horizon.
-- $1 how long runs are kept, in ms
with next as (select now() - $1::bigint * interval '1 millisecond' as kept_since)
update oprun.retention_horizon h set kept_since = next.kept_since, advanced_at = now(),
  floor = (lpad(to_hex(greatest(0, extract(epoch from next.kept_since) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
from next
where h.one and next.kept_since > h.kept_since and h.advanced_at <= now() - interval '1 minute'
