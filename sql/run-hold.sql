-- Puts off the next try of a run. Safe to repeat.
select sync.hold_run(:#${variable.run[id]}, :#${variable.reason})::text
