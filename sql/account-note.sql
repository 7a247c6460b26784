-- Takes note of the account that a system's key belongs to. A second run notes the same.
select sync.note_account(:#${variable.system}, :#${variable.account}) as because
