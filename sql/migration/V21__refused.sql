-- The request that was refused, as sync.request_mark tells it: it is not made again.
alter table sync.failure add column refused text;
