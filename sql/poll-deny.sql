-- Events may not be listed: the next looks are further apart. Safe to repeat.
select sync.stop_scope(
         p_system     => :#${variable.system},
         p_entity     => 'events',
         p_direction  => 'in',
         p_permission => :#${variable.permission},
         p_reason     => :#${variable.reason},
         p_object     => '',
         p_probe      => true)
