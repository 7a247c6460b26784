-- Takes the next look at a system's events, if no other instance does. Safe to repeat.
select since, kept_until
  from sync.begin_poll(
         p_system   => :system,
         p_instance => :instance,
         p_lease    => '1 minute',
         p_overlap  => :overlap::interval,
         p_kept     => :kept::interval)
