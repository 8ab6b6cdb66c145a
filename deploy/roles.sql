-- The ledger's roles, and its schema, which belongs to the first of them:
--
--   oprun_owner      owns schema and tables: consumer migrate up, seed, tenants add
--   oprun_runner     works on runs and operates them: consumer run, and all that runs, deadletters, audit and tenants can do but add
--   oprun_publisher  asks for runs and follows them: publisher publish --ledger, jobs.Dispatcher
--   oprun_reader     looks, but not at inputs, tokens and the bodies of dead letters: consumer runs list|show|watch, audit, reports
--
-- They cannot log in. Logins are made members of them (deploy/postgres/logins.sql does so), and the rights to the
-- program's own tables are granted to those. An admin runs this once for each database:
--
--   psql -X -v ON_ERROR_STOP=1 -d <database> -f deploy/roles.sql
--   consumer migrate up            # as a member of oprun_owner, now and with each new version: it also grants (migrations/grants.sql)
--
-- The admin is a superuser, or has CREATEROLE, may create schemas here, and owns what there is of schema oprun. A second
-- time changes nothing. A ledger that is older than its roles is given to oprun_owner: each of its tables is locked for a moment.
do $$
declare
  name text;
  kind text;
begin
  foreach name in array array['oprun_owner', 'oprun_runner', 'oprun_publisher', 'oprun_reader'] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname = name) then
      begin
        execute pg_catalog.format('create role %I nologin', name);
      exception when duplicate_object or unique_violation then
        null;  -- roles are the whole server's: another database's admin was faster
      end;
    end if;
  end loop;
  -- Nobody can give away what belongs to others, nor to a role of which one is no member.
  if not pg_catalog.pg_has_role('oprun_owner', 'member') then
    execute pg_catalog.format('grant oprun_owner to %I', current_user);
  end if;
  if pg_catalog.to_regnamespace('oprun') is null then
    create schema oprun authorization oprun_owner;
  else
    alter schema oprun owner to oprun_owner;
  end if;
  for name, kind in
    select c.relname, case c.relkind when 'v' then 'view' else 'table' end
    from pg_catalog.pg_class c
    where c.relnamespace = 'oprun'::pg_catalog.regnamespace and c.relkind in ('r', 'p', 'v')
      and c.relowner <> 'oprun_owner'::pg_catalog.regrole
    order by c.oid
  loop
    execute pg_catalog.format('alter %s oprun.%I owner to oprun_owner', kind, name);
  end loop;
end $$;
