-- Answers: the version of the schema.
select coalesce(max(version), 0) from oprun.schema_migrations
