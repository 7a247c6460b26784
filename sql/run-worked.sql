-- Takes note that workers have done their part. A second run finds it done.
select sync.end_work(
         p_run_id     => :#${variable.run[id]},
         p_step       => :#${variable.run[step]},
         p_record_ids => :#${variable.work[records]})::text
