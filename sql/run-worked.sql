-- Takes note that workers have done their part. A second run finds it done.
select sync.end_work(
         p_run_id     => :run_id,
         p_step       => :step,
         p_record_ids => :records)::text
