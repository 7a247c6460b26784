-- Forgets what deleted records said. A second run finds nothing.
select sync.forget_deleted(p_keep => :#${properties:deleted.keep}::interval)
