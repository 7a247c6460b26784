-- Puts off the next try of a run, or stops it until it may read what it needs. Safe to repeat.
select case when :denied
            then sync.deny_run(p_run_id => :run_id, p_permission => :permission, p_reason => :reason)::text
            else sync.hold_run(p_run_id => :run_id, p_reason => :reason)::text end
