-- Forgets when rows were deleted, once that no longer matters. A second run finds nothing.
select sync.forget_deletions()
