-- Looks whether what events wait for has come. A second run finds the next ones.
select sync.look_for_awaited(p_limit => :#${properties:retry.batch}::integer)::text
