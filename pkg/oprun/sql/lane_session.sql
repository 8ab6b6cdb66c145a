-- Settings for a connection of ours, once more: what the caller does with new connections may have changed them.
-- $1 names, $2 values
select set_config(s.name, s.value, false) from unnest($1::text[], $2::text[]) s(name, value)
