-- What is forgotten, and when: see "What stays of somebody who was deleted" in docs/operations.md.
-- Repeatable: every statement replaces what is there.

-- Forgets conflicts after a while. Returns how many.
create or replace function sync.keep_conflicts(p_keep interval) returns bigint language sql as $$
  with gone as (delete from sync.conflict where at < now() - p_keep returning 1) select count(*) from gone;
$$;

-- Forgets what records said that were deleted on both sides longer ago than that: until then a late event may tell of an edit which the delete
-- replaced, and is compared with what was agreed on. What stays are ids, times, and that there were conflicts. Of a row that stays
-- although its object is gone, the conflicts stay as they are. Returns of how many records.
create or replace function sync.forget_deleted(p_keep interval) returns bigint language plpgsql set enable_seqscan = off as $$
declare
  v_count bigint;
begin
  with gone as (
    update sync.link l set hub_base = null, remote_base = null, unechoed = null, late_edits = null
     where l.deleted_at is not null and l.deleted_at <= now() - p_keep
       and (l.hub_base is not null or l.remote_base is not null or l.unechoed is not null or l.late_edits is not null)
    returning l.system, l.entity, l.record_id, l.external_id, l.deletion is not distinct from 'kept' as stays
  ), conflicts as (
    update sync.conflict c set base = null, local = null, remote = null
      from gone g where c.system = g.system and c.entity = g.entity and c.record_id = g.record_id and not g.stays
  ), differences as (
    update sync.difference d set hub = null, remote = null
      from gone g join sync.run r on r.system = g.system and r.entity = g.entity
     where d.run_id = r.id and (d.record_id = g.record_id or d.external_id = g.external_id) and not g.stays)
  select count(*) into v_count from gone;
  return v_count;
end $$;
