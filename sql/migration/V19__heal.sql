-- Differences, found by their record, by their object, and by what is still to be mended: deletes after all others.

alter table sync.difference add column is_delete boolean not null generated always as (kind in ('deleted_hub', 'deleted_remote')) stored;
drop function if exists sync.is_delete(text);

drop index sync.difference_run;
drop index sync.difference_todo;
create index difference_record on sync.difference (run_id, record_id);
create index difference_object on sync.difference (run_id, external_id) where external_id is not null;
create index difference_todo on sync.difference (run_id, is_delete, record_id) where todo and mended_at is null;
