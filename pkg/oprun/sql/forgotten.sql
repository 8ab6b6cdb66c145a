-- Answers: whether the ledger may have forgotten the run of this id.
-- Index: the primary key of retention_horizon. An id that is not dated begins with 48 zero bits.
-- $1 the id that a request's occurrence derives
select $1::uuid < h.floor and $1 >= '00000000-0001-0000-0000-000000000000' from oprun.retention_horizon h where h.one
