-- What the oracle reads: effects that nothing but the protocol keeps single, and whatever a row of the ledger does
-- that no row may do. It is written down and not refused: a refusal would change what happens.
create table effects (run_id uuid not null, attempt integer not null);

create table breaches (what text not null);

create function watch() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if (old.outcome, old.completed_at) is distinct from (new.outcome, new.completed_at) and old.completed_at is not null then
      insert into breaches values (format('I8: run %s changed after its end', old.id));
    end if;
    if new.dispatch_no < old.dispatch_no or new.attempt < old.attempt then
      insert into breaches values (format('I8: attempt or dispatch_no of run %s fell', old.id));
    end if;
    if old.status = 'running' and new.status = 'running' and old.claim_token <> new.claim_token
       and old.lease_expires_at > clock_timestamp() then
      insert into breaches values (format('I3: run %s was taken under a live lease', old.id));
    end if;
    if (new.workspace_id, new.tenant_id, new.type, new.run_identity_hash) is distinct from
       (old.workspace_id, old.tenant_id, old.type, old.run_identity_hash) then
      insert into breaches values (format('I11: run %s became another', old.id));
    end if;
  end if;
  if new.attempt > new.max_attempts then
    insert into breaches values (format('I7: run %s has attempt %s', new.id, new.attempt));
  end if;
  if new.completed_at is null and not new.follow_up and exists (
    select from oprun.operation_runs r where r.tenant_id = new.tenant_id and r.run_identity_hash = new.run_identity_hash
      and not r.follow_up and r.completed_at is null and r.id <> new.id) then
    insert into breaches values (format('I1: run %s has a second owner beside it', new.id));
  end if;
  return null;
end $$;

create trigger watch after insert or update on oprun.operation_runs for each row execute function watch();
