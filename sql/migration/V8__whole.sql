-- Of a part: the record in whose object there it is, or is being made. It is in one at a time, however often its row moves here.
alter table sync.link add column whole text;
create index link_whole on sync.link (system, entity, whole) where whole is not null;

update sync.link p set whole = w.record_id
  from sync.entity e, sync.link w, lateral jsonb_each(w.remote_base) f
 where e.part_of is not null and p.entity = e.name and w.system = p.system and w.entity = e.part_of and w.deleted_at is null
   and f.value <> 'null' and f.key = p.entity || '/' || p.record_id;
