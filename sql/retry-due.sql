-- Asks for another look at what waits: due failures, and records whose worker died. Safe to repeat.
select sync.retry_due(p_instance => :#${properties:instance.id})
