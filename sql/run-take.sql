-- The run that is to go on, if this instance has it. Safe to repeat.
select id, mode, step, position, extract(epoch from clock_timestamp()) as since
  from sync.take_run(
         p_system         => :#${variable.system},
         p_entity         => :#${variable.entity},
         p_instance       => :#${properties:instance.id},
         p_lease          => '1 minute',
         p_schedule       => nullif(:#${properties:reconcile.schedule}, '')::interval,
         p_scheduled_mode => :#${properties:reconcile.scheduled-mode},
         p_first_contact  => :#${properties:reconcile.first-contact})
