-- Keeps up to when events are applied. Safe to repeat: it never goes back.
select sync.advance_poll(
         p_system   => :#${variable.system},
         p_instance => :#${properties:instance.id},
         p_lease    => '1 minute',
         p_reached  => :#${variable.reached}::bigint)
