-- What the torture keeps beside the ledger. Effects have no unique constraint: a second one would be there to be seen.
create schema torture;
create table torture.effects (run_id uuid not null, attempt integer not null, request bigint not null);
create table torture.business (request bigint not null, run_id uuid not null);  -- the callers' own rows
create index on torture.business (request);
create table torture.parents (id integer primary key);
create table torture.children (parent integer references torture.parents deferrable initially deferred); -- COMMIT refuses orphans
create table torture.claims (run_id uuid not null, at timestamptz not null);    -- of types whose freshness is judged (I6)
create table torture.violations (id bigserial, invariant text not null, run_id uuid not null, detail text not null);

-- The auditor sees every change of a run, and writes down what must never be. It raises nothing: an error would undo
-- what it is there to show. It fires after the change, when an insert that met a conflict is none.
create function torture.audit() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' then
    insert into torture.violations (invariant, run_id, detail) values ('I8', old.id, 'the run was deleted');
    return null;
  end if;
  if tg_op = 'UPDATE' then
    if old.completed_at is not null and (old.status, old.outcome, old.completed_at, old.attempt, old.summary_counts, old.failure_summary)
        is distinct from (new.status, new.outcome, new.completed_at, new.attempt, new.summary_counts, new.failure_summary) then
      insert into torture.violations (invariant, run_id, detail)
      values ('I8', new.id, format('ended %s, then changed to %s %s', old.outcome, new.status, new.outcome));
    end if;
    if new.attempt < old.attempt or new.dispatch_no < old.dispatch_no then
      insert into torture.violations (invariant, run_id, detail)
      values ('I8', new.id, format('attempt %s to %s, dispatch_no %s to %s', old.attempt, new.attempt, old.dispatch_no, new.dispatch_no));
    end if;
    if old.status = 'running' and new.status = 'running' and new.claim_token <> old.claim_token
        and old.lease_expires_at > clock_timestamp() then
      insert into torture.violations (invariant, run_id, detail)
      values ('I3', new.id, format('attempt %s took it over from a live lease of attempt %s', new.attempt, old.attempt));
    end if;
    if old.status = 'running' and new.claim_token is not distinct from old.claim_token then
      return null;  -- a heartbeat
    end if;
  end if;
  if new.attempt > new.max_attempts then
    insert into torture.violations (invariant, run_id, detail)
    values ('I7', new.id, format('attempt %s of %s', new.attempt, new.max_attempts));
  end if;
  if new.status = 'running' then
    insert into torture.violations (invariant, run_id, detail)
    select 'I3', new.id, format('run %s of the same identity has a live lease, too', r.id)
    from oprun.operation_runs r
    where r.id <> new.id and r.lease_expires_at > clock_timestamp() and r.run_identity_hash = new.run_identity_hash
      and r.completed_at is null and r.tenant_id is not null and r.tenant_id = new.tenant_id;  -- as in runs_active_tenant
    insert into torture.violations (invariant, run_id, detail)
    select 'I3', new.id, format('run %s of the same identity has a live lease, too', r.id)
    from oprun.operation_runs r
    where r.id <> new.id and r.lease_expires_at > clock_timestamp() and r.run_identity_hash = new.run_identity_hash
      and r.completed_at is null and r.tenant_id is null and r.workspace_id = new.workspace_id and new.tenant_id is null;
    if new.type = 'torture.follow' then
      insert into torture.claims values (new.id, clock_timestamp());
    end if;
  end if;
  return null;
end $$;
create trigger torture_audit after insert or update or delete on oprun.operation_runs
for each row execute function torture.audit();
