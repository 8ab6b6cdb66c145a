-- Answers: the run that stands for this request though it has ended: of an identity that happens once, or that cools
-- down.
-- Indexes: runs_once, runs_cooldown.
-- $1 workspace, $2 identity hash, $3 once?, $4 does a success cool down?
select r.id from oprun.operation_runs r
where $3::boolean and r.once and r.workspace_id = $1 and r.run_identity_hash = $2
union all
select r.id from oprun.operation_runs r
where $4::boolean and r.run_identity_hash = $2 and r.cooldown_until is not null and r.cooldown_until > clock_timestamp()
limit 1
