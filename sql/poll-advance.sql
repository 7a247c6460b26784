-- Keeps up to when events are applied. Safe to repeat: it never goes back.
select sync.advance_poll(
         p_system   => :system,
         p_instance => :instance,
         p_lease    => '1 minute',
         p_reached  => :reached::bigint)
