-- Answers: from when on the ledger promises to know every run, and what time it is there. Null: it has forgotten none yet.
-- Index: none, the table has one row.
-- Beside horizon.sql, this is the horizon as it was published, which a claim goes by at once.
select h.floor, nullif(h.kept_since, '-infinity') as kept_since, clock_timestamp() as now from oprun.retention_horizon h where h.one
