-- Lets the deferred constraints of the handler's own tables be checked: its transaction is rolled back after that.
delete from oprun.shadow_guard
