-- Answers: what a shadow is of, and how far it came.
select s.source, s.started_at, s.finished_at, (select count(*) from oprun.shadow_records) as records from oprun.shadow s
