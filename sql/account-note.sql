-- Takes note of the account that Stripe's key belongs to. A second run notes the same.
select sync.note_account('stripe', :#${variable.account}) as because
