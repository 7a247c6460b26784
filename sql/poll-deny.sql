-- Events may not be listed: the next looks are further apart. Safe to repeat.
select sync.stop_scope(
         p_system     => :system,
         p_entity     => 'events',
         p_direction  => 'in',
         p_permission => :permission,
         p_reason     => :reason,
         p_object     => '',
         p_probe      => true)
