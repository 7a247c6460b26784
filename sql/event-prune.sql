-- Deletes old rows of the inbound ledger. A second run finds none.
select sync.prune(:#${properties:event.keep}::interval)
