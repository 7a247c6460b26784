-- The next records of a run for the workers. Safe to repeat: they stay the next ones until they are done.
select sync.take_work(
         p_run_id      => :#${variable.run[id]},
         p_step        => :#${variable.run[step]},
         p_limit       => :#${properties:reconcile.batch}::integer,
         p_max_percent => :#${properties:reconcile.max-delete-percent}::numeric,
         p_max_deletes => :#${properties:reconcile.max-deletes}::bigint) as records,
       :#${variable.run[step]} = 'deletes' and sync.believes_list(:#${variable.run[id]}) as unlisted
