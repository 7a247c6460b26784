-- The object of an event cannot be read now. Safe to repeat.
select sync.put_off_hint(
         p_system     => :#${variable.system},
         p_event_id   => :#${variable.event_id},
         p_denied     => :#${variable.denied}::boolean,
         p_permission => :#${variable.permission},
         p_lasting    => :#${variable.lasting}::boolean,
         p_reason     => :#${variable.reason})::text
