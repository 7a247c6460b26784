-- Events that wait, found without a look at those that must go on waiting.

-- By kind: one that may not be applied costs one look, however many of its events are held.
drop index sync.event_held;
create index event_held on sync.event (system, entity, created, received_at) where outcome = 'held';

-- By what they wait for, and by the record that their object points to.
drop index sync.event_waits_for;
create index event_awaited on sync.event (waits_for, system) where waits_for is not null;
create index event_points_to on sync.event (entity, system, ((held ->> 'event')::jsonb ->> 'hub_id')) where waits_for is not null;

-- When an event that waits is looked at again, even if nobody said that its object has come.
create index event_waiting on sync.event (try_at) where outcome = 'waiting';
update sync.event set try_at = now() where outcome = 'waiting';

-- By their object: what could not be applied as it came.
drop index sync.event_failed;
create index event_kept on sync.event (external_id, entity, system) where held is not null;
