-- Decides: whether the effects of a handler could be committed.
set constraints all immediate
