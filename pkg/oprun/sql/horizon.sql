-- Answers: from where on the ledger keeps all runs. No row: not every claim in flight can know it by now.
-- Index: none, the table has one row.
select h.floor, h.kept_since from oprun.retention_horizon h
where h.one and h.kept_since > '-infinity' and h.advanced_at <= now() - interval '1 minute'
