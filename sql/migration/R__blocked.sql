-- Tables that cannot be seen, and deletes that wait for a person.
-- Repeatable: every statement replaces what is there.

-- Why a table, its parts or what it refers to cannot be synced at present, in words; null when it can.
create or replace function sync.obstacle(p_system text, p_entity text) returns text language plpgsql as $$
declare
  i         sync.integration;
  e         sync.entity;
  v_columns text[];
  v_missing text;
begin
  select * into i from sync.integration t where t.system = p_system and t.entity = p_entity;
  for e in
    select t.* from sync.entity t, sync.entity w
     where w.name = p_entity and (t.name = p_entity or t.part_of = p_entity
           or t.name in (select value from jsonb_each_text(w.refs)
                          union all select r.value from sync.entity p, jsonb_each_text(p.refs) r where p.part_of = p_entity))
     order by t.name <> p_entity, t.name
  loop
    if not exists (select from pg_class c where c.oid = e.relation) then
      return format('the table %s is gone: make it again and select sync.track(%L), or select sync.untrack(%2$L)', e.name, e.name);
    end if;
    v_columns := array_remove(array[e.key_column::text, e.part_key::text], null) || coalesce(e.part_columns, '{}')
                 || case when e.name = p_entity then array(select f from unnest(i.fields) f where f not like '%/*') else '{}' end;
    select string_agg(f, ', ' order by f) into v_missing from unnest(v_columns) f
     where not exists (select from pg_attribute a where a.attrelid = e.relation and a.attname = f and not a.attisdropped);
    if v_missing is not null then
      return format('%s has no column %s, which %s syncs: give the column that name again, or change the name there', e.name, v_missing,
                    coalesce(nullif(case when e.name = p_entity then i.defined_in end, ''), 'sync.entity'));
    elsif row_security_active(e.relation) then
      return format('row-level security hides rows of %s from the role %s: alter role %2$s bypassrls, or take it off the table', e.name, current_user);
    end if;
    select string_agg(a.attname, ', ' order by a.attnum) into v_missing from pg_attribute a
     where a.attrelid = e.relation and a.attnum > 0 and not a.attisdropped and not has_column_privilege(a.attrelid, a.attnum, 'select');
    if v_missing is not null then
      return format('the role %s may not read all of %s (%s): grant select on %2$s to %1$s', current_user, e.name, v_missing);
    end if;
  end loop;
  return null;
end $$;

create or replace function sync.is_blocked(p_system text, p_entity text) returns boolean language sql stable as $$
  select exists (select from sync.blocked b where b.system = p_system and b.entity = p_entity);
$$;

-- Stops a table that cannot be seen. Says whether there is anything that stands in its way.
create or replace function sync.block(p_system text, p_entity text) returns boolean language plpgsql as $$
declare
  v_reason text := sync.obstacle(p_system, p_entity);
begin
  if v_reason is null then
    return false;
  end if;
  insert into sync.blocked as b (system, entity, cause, reason) values (p_system, p_entity, 'table', v_reason)
  on conflict (system, entity, cause) do update set reason = excluded.reason where b.reason <> excluded.reason;
  return true;
end $$;

-- Lets tables go on that can be seen again. For the application's own role: others may see more.
create or replace function sync.unblock() returns void language plpgsql as $$
declare
  b        sync.blocked;
  v_reason text;
begin
  for b in select * from sync.blocked t where t.cause = 'table' loop
    v_reason := sync.obstacle(b.system, b.entity);
    if v_reason is null then
      delete from sync.blocked t where t.system = b.system and t.entity = b.entity and t.cause = 'table';
    elsif v_reason <> b.reason then
      update sync.blocked t set reason = v_reason where t.system = b.system and t.entity = b.entity and t.cause = 'table';
    end if;
  end loop;
end $$;

-- What becomes of a delete: delete (or, of a row, follow), keep, mark <column>, or hold. p_direction: out when the row is gone, in when the
-- object is. Deletes are held when there were more of them within an hour than the integration allows, and from then on until a person decides.
create or replace function sync.decide_deletion(l sync.link, p_direction text) returns text language plpgsql as $$
declare
  i        sync.integration;
  v_recent bigint;
  v_linked bigint;
begin
  select * into i from sync.integration t where t.system = l.system and t.entity = l.entity;
  if not found or l.deletion = 'confirmed' then
    return 'delete';
  elsif (case p_direction when 'out' then i.deletes_out else i.deletes_in end) in ('keep', 'ask')
     or p_direction = 'in' and i.deletes_in like 'mark %' then
    if (case p_direction when 'out' then i.deletes_out else i.deletes_in end) <> 'ask' then
      return case p_direction when 'out' then i.deletes_out else i.deletes_in end;
    end if;
    perform sync.record_failure(l.system, l.entity, l.record_id, p_direction, 'permanent', 'delete',
      format('%s: to delete it %s, too: select sync.confirm_delete(%L, %L, %L); to leave it: select sync.cancel_delete(%3$L, %4$L, %5$L)',
             case p_direction when 'out' then 'the row was deleted' else 'its object was deleted in ' || l.system end,
             case p_direction when 'out' then 'in ' || l.system else 'here' end, l.system, l.entity, l.record_id), null, null);
    return 'hold';
  end if;
  if exists (select from sync.brake b where b.system = l.system and b.entity = l.entity and b.direction = p_direction) then
    return 'hold';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('sync.brake/' || l.system || '/' || l.entity, 0)); -- of several at once, each counts the others
  if p_direction = 'out' then
    select count(*) into v_recent
      from sync.deletion d join sync.link t on t.record_id = d.record_id and t.entity = d.entity and t.system = l.system
     where d.entity = l.entity and d.at > clock_timestamp() - interval '1 hour' and t.external_id is not null
       and t.deletion is distinct from 'confirmed' and (t.deleted_at is null or t.deleted_by = 'hub');
  else
    select 1 + count(*) into v_recent from sync.link t
     where t.system = l.system and t.entity = l.entity and t.deleted_at > clock_timestamp() - interval '1 hour' and t.deleted_by = l.system;
  end if;
  if v_recent <= i.max_deletes then
    return 'delete';
  end if;
  select count(*) into v_linked from sync.link t
   where t.system = l.system and t.entity = l.entity and t.external_id is not null
     and (t.deleted_at is null or t.deleted_at > clock_timestamp() - interval '1 hour');
  if v_recent <= v_linked * i.max_delete_percent / 100 then
    return 'delete';
  end if;
  insert into sync.brake (system, entity, direction) values (l.system, l.entity, p_direction) on conflict do nothing;
  return 'hold';
end $$;

-- The object of a record is gone: the row follows, or what the integration says.
create or replace function sync.take_deletion(inout l sync.link, p_external_id text, p_fields text[]) language plpgsql as $$
declare
  v_what text := sync.decide_deletion(l, 'in');
begin
  if v_what = 'delete' then
    l := sync.bury(l, p_external_id, p_fields, l.system);
    return;
  elsif v_what = 'hold' then
    l.deletion := 'held_in';
    l.external_id := coalesce(p_external_id, l.external_id);
    l.look_at := null;
    l.in_flight_op := null;
    l.in_flight := null;
    l.parked_at := null;
    return;
  end if;
  if v_what like 'mark %' and sync.read(l.entity, l.record_id) is not null then
    perform sync.write(l.system, l.entity, jsonb_build_object(substr(v_what, 6), clock_timestamp()), l.record_id);
  end if;
  l.deletion := 'kept';
  l := sync.bury(l, p_external_id, p_fields, l.system);
  l.deletion := 'kept';
  perform sync.note(l.entity, l.record_id, l.system, 'note', 'it is gone in ' || l.system || ', and the row stays');
end $$;

-- Whether the row is gone, and no worker has looked at that yet.
create or replace function sync.awaits_deletion(l sync.link) returns boolean language plpgsql as $$
begin
  return l.external_id is not null and l.deleted_at is null and l.deletion is null and l.lease_token is null
     and exists (select from sync.deletion d where d.entity = l.entity and d.record_id = l.record_id)
     and sync.read(l.entity, l.record_id) is null;
end $$;

-- A person has looked at the deletes that wait, and lets them go on: those of a table, or of one record. Says how many.
create or replace function sync.confirm_deletes(p_system text, p_entity text, p_record_id text default null) returns text language plpgsql as $$
declare
  l          sync.link;
  v_fields   text[] := (select i.fields from sync.integration i where i.system = p_system and i.entity = p_entity);
  v_out      bigint := 0;
  v_in       bigint := 0;
begin
  for l in
    select * from sync.link t
     where t.system = p_system and t.entity = p_entity and (p_record_id is null or t.record_id = p_record_id)
       and (t.deletion in ('held_out', 'held_in') or sync.awaits_deletion(t))
     order by t.record_id for update
  loop
    delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = l.record_id and f.code = 'delete';
    if l.deletion is distinct from 'held_in' then
      update sync.link t set deletion = 'confirmed' where t.system = p_system and t.entity = p_entity and t.record_id = l.record_id;
      perform sync.poke(p_entity, l.record_id, p_system);
      v_out := v_out + 1;
    else
      begin
        perform sync.save(sync.bury(l, l.external_id, v_fields, p_system));
        v_in := v_in + 1;
      exception when others then
        perform sync.keep_failure(p_system, p_entity, l.record_id, sqlstate, sqlerrm, null);
      end;
    end if;
  end loop;
  if p_record_id is null then
    delete from sync.brake b where b.system = p_system and b.entity = p_entity;
  end if;
  return format('%s deletes go on to %s, %s rows are deleted here', v_out, p_system, v_in);
end $$;

-- A person has looked at the deletes that wait, and takes them for a mistake: what is left on the other side stays there, and is no longer linked.
-- A reconcile shows the difference. Says how many.
create or replace function sync.cancel_deletes(p_system text, p_entity text, p_record_id text default null) returns text language plpgsql as $$
declare
  v_count bigint;
begin
  with held as (
    delete from sync.link t
     where t.system = p_system and t.entity = p_entity and (p_record_id is null or t.record_id = p_record_id)
       and (t.deletion in ('held_out', 'held_in') or sync.awaits_deletion(t))
    returning t.record_id), parts as (
    delete from sync.link t using held h, sync.entity e
     where e.part_of = p_entity and t.system = p_system and t.entity = e.name and t.whole = h.record_id), told as (
    delete from sync.failure f using held h where f.system = p_system and f.entity = p_entity and f.record_id = h.record_id and f.code = 'delete')
  select count(*) into v_count from held;
  if p_record_id is null then
    delete from sync.deletion d where d.entity = p_entity;
    delete from sync.brake b where b.system = p_system and b.entity = p_entity;
  end if;
  return format('%s objects and rows stay, and are no longer linked: select sync.reconcile(%L, %L, ''diff'') shows them', v_count, p_system, p_entity);
end $$;

-- The same for one record.
create or replace function sync.confirm_delete(p_system text, p_entity text, p_record_id text) returns text language sql as $$
  select sync.confirm_deletes(p_system, p_entity, p_record_id);
$$;

create or replace function sync.cancel_delete(p_system text, p_entity text, p_record_id text) returns text language sql as $$
  select sync.cancel_deletes(p_system, p_entity, p_record_id);
$$;

-- Forgets deletes of more than an hour ago.
create or replace function sync.forget_deletions() returns void language sql as $$
  delete from sync.deletion where at < clock_timestamp() - interval '1 hour';
$$;

-- What is wrong with the column of 'mark <column>', in words; null when nothing is.
create or replace function sync.mark_column_missing(p_entity text, p_deletes_in text) returns text language sql stable as $$
  select format('%s has no column %s of type timestamptz', e.name, substr(p_deletes_in, 6))
    from sync.entity e
   where e.name = p_entity and p_deletes_in like 'mark %'
     and not exists (select from pg_attribute a
                      where a.attrelid = e.relation and a.attname = substr(p_deletes_in, 6) and not a.attisdropped and a.atttypid = 'timestamptz'::regtype);
$$;
