-- Keeps what the statements of one job have done, as far as the transaction keeps it.
release savepoint job
