-- Decides: which queued runs the relay must look at now.
-- Index: runs_due. Takes no lock: two relays publish the same Nats-Msg-Id, and the broker keeps one.
-- $1 how many at most
select r.id, t.external_id as tenant, r.workspace_id, r.type, r.dispatch_no, r.published_seq, r.input,
  r.origin_stream, r.origin_seq, r.initiator_name
from oprun.operation_runs r left join oprun.tenants t on t.id = r.tenant_id
where r.due_at <= now() and r.status = 'queued' and not r.follow_up
order by r.due_at limit $1
