-- Stops a run until it may read what it needs. Safe to repeat.
select sync.deny_run(
         p_run_id     => :#${variable.run[id]},
         p_permission => :#${variable.permission},
         p_reason     => :#${variable.reason})::text
