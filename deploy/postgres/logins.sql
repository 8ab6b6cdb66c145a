-- The logins of compose.yaml, each a member of one role of roles.sql. Postgres' image runs this with psql, once, as it
-- makes the cluster. Rights to your own tables are granted to the login whose handlers use them.
\getenv owner OPRUN_OWNER_PASSWORD
\getenv consumer OPRUN_CONSUMER_PASSWORD
\getenv publisher OPRUN_PUBLISHER_PASSWORD
\getenv reader OPRUN_READER_PASSWORD
create role oprun_migrate login password :'owner' in role oprun_owner;
create role oprun_consumer login password :'consumer' in role oprun_runner;
create role oprun_publish login password :'publisher' in role oprun_publisher;
create role oprun_look login password :'reader' in role oprun_reader;
