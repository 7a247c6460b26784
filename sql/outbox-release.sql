-- The end of an instance: another one need not wait until the lease of what it drained is over. A second run finds nothing of its own.
update sync.drain set leased_until = '-infinity' where instance = ?
