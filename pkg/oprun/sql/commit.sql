-- Ends the transaction of a handler's effects, in one round trip with the end of its run: when that fails, this is not carried
-- out.
commit
