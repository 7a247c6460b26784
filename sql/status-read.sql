-- What is known about the sync at this moment. Only reads.
select metric, system, entity, direction, class, value, since, reason from sync.status()
