-- Marks where the statements of one job begin, so that they can be taken back alone.
savepoint job
