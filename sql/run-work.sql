-- The next records of a run for the workers. Safe to repeat: they stay the next ones until they are done.
select sync.take_work(
         p_run_id      => :run_id,
         p_step        => :step,
         p_limit       => :limit::integer,
         p_max_percent => :max_percent::numeric,
         p_max_deletes => :max_deletes::bigint) as records,
       :step = 'deletes' and sync.believes_list(:run_id) as unlisted
