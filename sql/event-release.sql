-- Applies stored events of systems that are not paused any more. A second run applies the next ones.
select sync.release_events(p_limit => :#${properties:retry.batch}::integer)
