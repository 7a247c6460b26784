-- Removes published changes by id. A second run finds them gone.
select sync.outbox_acknowledge(:acknowledged::bigint[])
