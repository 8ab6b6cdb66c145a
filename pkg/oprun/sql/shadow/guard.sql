-- Makes sure that the transaction of a handler's effects cannot commit, whatever is said in it.
insert into oprun.shadow_guard default values
