-- Takes the next look at a system's events, if no other instance does. Safe to repeat.
select since, reached, kept_until
  from sync.begin_poll(
         p_system   => :#${variable.system},
         p_instance => :#${properties:instance.id},
         p_lease    => '1 minute',
         p_overlap  => :#${properties:stripe.poll-overlap}::interval,
         p_kept     => '30 days')
