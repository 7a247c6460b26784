-- The run that is to go on, if this instance has it. Safe to repeat.
select id, step, position, extract(epoch from clock_timestamp()) as since
  from sync.take_run(
         p_system         => :system,
         p_entity         => :entity,
         p_instance       => :instance,
         p_lease          => '1 minute',
         p_schedule       => nullif(:schedule, '')::interval,
         p_scheduled_mode => :scheduled_mode,
         p_first_contact  => :first_contact)
