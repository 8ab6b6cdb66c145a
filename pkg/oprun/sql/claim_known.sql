-- Decides: what becomes of the deliveries that created no run: take over, skip, wait or try again.
-- Indexes: the primary keys, runs_active_tenant, runs_active_workspace, runs_once, runs_cooldown.
-- It must be a statement of its own, with a snapshot taken after claim_new.sql: only then does it see the rows that
-- stood in the way. Three of its words are for the caller alone: "again" means that nothing stands there any more, and
-- the delivery is to be inserted anew; "wait" that it is to be the follow-up (wait.sql); "park" that its tenant is
-- suspended (park.sql).
-- $1 run ids, $2 tenant scoped?, $3 scope ids, $4 types, $5 identity hashes, $6 claim tokens, $7 leases in ms,
-- $8 once?, $9 does a success cool down?, $10 does a duplicate follow up?, $11 does the message name the run?,
-- $12 stream sequences, $13 store times; $14 stream, $15 worker, $16 AckWait in ms
with delivery as materialized (
  select d.*, s.workspace_id, s.tenant_id, s.suspended
  from unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::text[], $5::bytea[], $6::uuid[], $7::bigint[], $8::boolean[],
      $9::boolean[], $10::boolean[], $11::boolean[], $12::bigint[], $13::timestamptz[])
    with ordinality d(id, tenant_scoped, scope_id, type, hash, token, lease_ms, once, cools, follows, named, seq, stored_at, ord)
  left join lateral (
    select t.workspace_id, t.id as tenant_id, t.status = 'suspended' as suspended from oprun.tenants t
    where d.tenant_scoped and t.external_id = d.scope_id
    union all
    select w.id, null, false from oprun.workspaces w where not d.tenant_scoped and w.id = d.scope_id
    limit 1) s on true),
-- runs that may be taken: due, with nobody's live lease on them; a row that another statement holds is passed over.
-- A run without input is taken by its own message only, the one at its origin: no other body on the wire is its own. The
-- relay reads its input back for the others.
-- A claim that is sent again, since its answer was lost, gets the rest of its own attempt: that one never began.
taken as materialized (
  select d.token as new_token, d.lease_ms, r.id, r.status, r.attempt, r.max_attempts, r.due_at, r.claim_token, r.claimed_by,
    r.claim_token is not distinct from d.token as resent,
    case when r.cancel_requested_at is not null then 'cancelled'
         when r.attempt >= r.max_attempts and r.claim_token is distinct from d.token then 'failed' end as ends
  from delivery d join oprun.operation_runs r on r.id = d.id
  where r.workspace_id = d.workspace_id and r.tenant_id is not distinct from d.tenant_id and r.type = d.type
    and r.completed_at is null and not r.follow_up and r.run_at <= clock_timestamp()
    and (r.status = 'queued' or r.lease_expires_at < clock_timestamp() or r.claim_token = d.token)
    and (r.input is not null or not d.named and r.origin_seq = d.seq and r.origin_time = d.stored_at and r.origin_stream = $14::text)
    and not d.suspended
    -- parked after this statement's snapshot was taken: a running row that is due at infinity would be forgotten
    and r.due_at is distinct from 'infinity'
  order by r.id
  for no key update of r skip locked),
claimed as (
  update oprun.operation_runs r set
    status = case when t.ends is null then 'running' else 'completed' end,
    outcome = coalesce(t.ends, 'pending'),
    completed_at = case when t.ends is not null then clock_timestamp() end,
    claim_token = case when t.ends is null then t.new_token end,
    claimed_by = case when t.ends is null then $15::uuid end,
    lease_expires_at = case when t.ends is null then clock_timestamp() + t.lease_ms * interval '1 millisecond' end,
    -- untouched: the claim of a queued row stays HOT. But when the lease is shorter than AckWait, the sweeper must come
    -- before the redelivery.
    due_at = case when t.ends is null then case
      when t.lease_ms < $16::bigint then least(t.due_at, clock_timestamp() + t.lease_ms * interval '1 millisecond')
      else t.due_at end end,
    -- of the locked row, all three: the CHECKs are judged before the row in the snapshot is known to have a successor
    attempt = t.attempt + (t.ends is null and not t.resent)::integer, max_attempts = t.max_attempts, follow_up = false,
    failure_summary = case t.ends when 'failed' then
      '[{"code": "run.crash_loop", "message": "every attempt ended without a result", "count": 1}]' else r.failure_summary end,
    started_at = coalesce(r.started_at, now()), updated_at = now()
  from taken t where r.id = t.id
  returning r.id, r.outcome, r.attempt, r.max_attempts, r.claim_token, r.input,
    t.status = 'running' and (t.ends is not null or not t.resent) as took_over),
abandoned as (
  insert into oprun.operation_run_attempts (run_id, attempt, claim_token, claimed_by, result)
  select t.id, t.attempt, t.claim_token, t.claimed_by, 'abandoned' from taken t
  where t.status = 'running' and (t.ends is not null or not t.resent) order by t.id
  on conflict do nothing),
answer as materialized (
  select d.ord, d.id,
    case
      when c.id is not null then case
        when c.claim_token = d.token then 'execute'
        when c.outcome = 'cancelled' then 'cancelled'
        when c.outcome = 'failed' then 'exhausted'
        else 'busy' end                                    -- another copy in this very batch took it
      when d.workspace_id is null then 'rejected'
      when own.id is not null then case
        when own.completed_at is not null then 'completed'
        when own.claim_token = d.token and own.lease_expires_at >= clock_timestamp() then 'execute'  -- sent again, and another statement holds the row
        when own.follow_up then 'follow_up'
        when own.status = 'running' and own.lease_expires_at >= clock_timestamp() then 'busy'
        when own.input is null and (d.named or (own.origin_seq, own.origin_time, own.origin_stream)
          is distinct from (d.seq, d.stored_at, $14::text)) then 'busy'
        when own.run_at > clock_timestamp() then 'not_due'
        when d.suspended and own.status = 'running' then 'busy'  -- until the sweeper has put it back into the queue
        when d.suspended then 'park'
        else 'again' end
      when d.named then 'unknown_run'
      when seen.run_id is not null then seen.verdict
      when d.id < (select h.floor from oprun.retention_horizon h where h.one)
        and d.id >= '00000000-0001-0000-0000-000000000000' then 'older_than_retention'
      when owner.id is not null and d.follows and owner.status = 'running' then
        case when heir.id is not null then 'follow_up' else 'wait' end
      when owner.id is not null then 'duplicate'
      when once_only.id is not null then 'duplicate'
      when cooling.id is not null then 'cooldown'
      when d.suspended then 'park'
      else 'again' end as verdict,
    case when own.id is null and c.id is null then coalesce(seen.run_id, heir.id, owner.id, once_only.id, cooling.id) else d.id end as run_id,
    coalesce(c.attempt, own.attempt, 0) as attempt,
    coalesce(c.max_attempts, own.max_attempts, 0) as max_attempts,
    coalesce(c.input, own.input) as input,  -- the row decides; one that has none is its own message's
    greatest(0, extract(epoch from own.lease_expires_at - clock_timestamp()) * 1000)::bigint as lease_left_ms,
    own.id is null and seen.run_id is null and not d.named as is_news,
    coalesce(c.took_over, false) as took_over
  from delivery d
  left join claimed c on c.id = d.id
  left join lateral (
    select r.* from oprun.operation_runs r
    where r.id = d.id and r.workspace_id = d.workspace_id and r.tenant_id is not distinct from d.tenant_id and r.type = d.type
    limit 1) own on true
  left join lateral (
    select x.run_id, x.verdict from oprun.operation_run_deliveries x where x.id = d.id limit 1) seen on own.id is null and not d.named
  left join lateral (
    select r.id, r.status from oprun.operation_runs r
    where d.tenant_scoped and r.tenant_id = d.tenant_id and r.tenant_id is not null and r.run_identity_hash = d.hash
      and not r.follow_up and r.completed_at is null
    union all
    select r.id, r.status from oprun.operation_runs r
    where not d.tenant_scoped and r.tenant_id is null and r.workspace_id = d.workspace_id and r.run_identity_hash = d.hash
      and not r.follow_up and r.completed_at is null
    limit 1) owner on own.id is null and not d.named
  left join lateral (
    select r.id from oprun.operation_runs r
    where d.tenant_scoped and r.tenant_id = d.tenant_id and r.tenant_id is not null and r.run_identity_hash = d.hash
      and r.follow_up and r.completed_at is null
    union all
    select r.id from oprun.operation_runs r
    where not d.tenant_scoped and r.tenant_id is null and r.workspace_id = d.workspace_id and r.run_identity_hash = d.hash
      and r.follow_up and r.completed_at is null
    limit 1) heir on own.id is null and d.follows and owner.status = 'running'
  left join lateral (
    select r.id from oprun.operation_runs r
    where r.once and r.workspace_id = d.workspace_id and r.run_identity_hash = d.hash
    limit 1) once_only on own.id is null and d.once
  left join lateral (
    select r.id from oprun.operation_runs r
    where r.run_identity_hash = d.hash and r.cooldown_until is not null and r.cooldown_until > clock_timestamp()
    limit 1) cooling on own.id is null and d.cools),
recorded as (
  insert into oprun.operation_run_deliveries (id, run_id, verdict)
  select a.id, a.run_id, a.verdict from answer a
  where a.verdict in ('duplicate', 'follow_up', 'cooldown') and a.is_news order by a.id
  on conflict do nothing)
select ord, verdict, run_id, attempt, max_attempts, input, coalesce(lease_left_ms, 0) as lease_left_ms, took_over from answer order by ord
