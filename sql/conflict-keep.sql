-- Deletes old conflicts. A second run finds none.
select sync.keep_conflicts(p_keep => :#${properties:conflict.keep}::interval)
