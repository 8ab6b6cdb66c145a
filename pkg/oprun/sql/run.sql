-- Answers: one run, without its input and its token.
-- Index: the primary key.
-- $1 run id
select v.* from oprun.operation_runs_view v where v.id = $1
