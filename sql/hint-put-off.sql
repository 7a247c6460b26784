-- The object of an event cannot be read now. Safe to repeat.
select sync.put_off_hint(
         p_system     => :system,
         p_event_id   => :event_id,
         p_denied     => :denied,
         p_permission => :permission,
         p_lasting    => :lasting,
         p_reason     => :reason)::text
