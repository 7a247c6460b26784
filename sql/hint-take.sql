-- Events whose objects are to be read. A second run finds them taken.
select event_id, entity, event
  from sync.take_hints(
         p_system => :system,
         p_limit  => :limit)
