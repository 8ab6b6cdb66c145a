-- Answers: which of these runs the shadow has made something of already, and their identities.
-- Index: the primary key of shadow_records.
-- $1 run ids
select n.run_id, n.identity_hash from oprun.shadow_records n where n.run_id = any($1::uuid[])
