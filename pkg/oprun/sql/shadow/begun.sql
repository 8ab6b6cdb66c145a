-- Records where a shadow's records come from.
-- $1 source
insert into oprun.shadow (source) values ($1)
