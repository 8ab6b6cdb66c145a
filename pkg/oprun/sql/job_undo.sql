-- Takes back what the statements of one job have done, and leaves its neighbours' in place.
rollback to savepoint job
