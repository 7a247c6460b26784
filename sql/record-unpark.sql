-- Asks for another look at records that wait for their system. A second run asks for the next ones.
select sync.unpark(p_limit => :#${properties:retry.batch}::integer)
