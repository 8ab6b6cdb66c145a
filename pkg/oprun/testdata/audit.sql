-- What the stress test watches: every change of a run, and effects that nothing but the protocol keeps single.
create table effects (run_id uuid not null, token uuid not null);

create table changes (
  run_id uuid not null, old_status text, new_status text not null, old_token uuid, new_token uuid, old_lease timestamptz,
  promoted boolean not null default false, at timestamptz not null default clock_timestamp());

create function watch() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.completed_at is not null then raise exception 'I8: run % changed after its end', old.id; end if;
    if new.dispatch_no < old.dispatch_no then raise exception 'I8: dispatch_no of run % fell', old.id; end if;
    if new.attempt < old.attempt then raise exception 'I8: attempt of run % fell', old.id; end if;
    if new.attempt > new.max_attempts then raise exception 'I7: run % has attempt %', new.id, new.attempt; end if;
    if old.status = 'running' and new.status = 'running' and old.claim_token <> new.claim_token
       and old.lease_expires_at > clock_timestamp() then
      raise exception 'I3: run % was taken under a live lease', old.id;
    end if;
    if (new.id, new.workspace_id, new.tenant_id, new.type, new.run_identity_hash) is distinct from
       (old.id, old.workspace_id, old.tenant_id, old.type, old.run_identity_hash) then
      raise exception 'I11: run % became another', old.id;
    end if;
    insert into changes (run_id, old_status, new_status, old_token, new_token, old_lease, promoted)
    values (new.id, old.status, new.status, old.claim_token, new.claim_token, old.lease_expires_at,
      old.follow_up and not new.follow_up);
  else
    insert into changes (run_id, new_status, new_token) values (new.id, new.status, new.claim_token);
  end if;
  return new;
end $$;

create trigger watch before insert or update on oprun.operation_runs for each row execute function watch();
