-- Applies inbound events, each by itself. A second run finds them in the ledger and does nothing.
select outcome, code, message from sync.apply_events(?, ?, ?, ?, ?, ?, ?, ?, ?)
