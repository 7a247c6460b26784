-- How far the runs of this instance are. Only reads.
select id, line, step, done, of, state
  from sync.report_runs(p_instance => :instance)
