-- Answers: the schemas of shadows in this database, by name.
select n.nspname::text from pg_catalog.pg_namespace n where n.nspname ~ '^oprun_shadow_[a-z]' order by n.nspname
