-- Deleted records of which something is still to be forgotten: see sync.forget_deleted.
create index link_to_forget on sync.link (deleted_at)
 where deleted_at is not null and (hub_base is not null or remote_base is not null or unechoed is not null or late_edits is not null);
