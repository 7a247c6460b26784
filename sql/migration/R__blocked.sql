-- Tables that cannot be seen, and deletes that wait for a person.
-- Repeatable: every statement replaces what is there.

drop function if exists sync.confirm_deletes(text, text, text);
drop function if exists sync.cancel_deletes(text, text, text); -- they know directions now

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
    elsif exists (select from pg_class c join pg_class o on o.relnamespace = c.relnamespace and o.relname = e.name and o.relkind in ('r', 'p') and o.oid <> c.oid
                   where c.oid = e.relation) then
      return format('another table has the name %s now: give it back, or select sync.untrack(%L), make the foreign keys to it anew, and select sync.track(%2$L)', e.name, e.name);
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

create or replace function sync.is_blocked(p_system text, p_entity text) returns boolean language plpgsql stable as $$
begin
  return exists (select from sync.blocked b where b.system = p_system and b.entity = p_entity);
end $$;

-- Stops a table that cannot be seen. Says whether there is anything that stands in its way.
create or replace function sync.block(p_system text, p_entity text) returns boolean language plpgsql as $$
declare
  v_reason text := sync.obstacle(p_system, p_entity);
begin
  if v_reason is null then
    return false;
  end if;
  insert into sync.blocked as b (system, entity, reason) values (p_system, p_entity, v_reason)
  on conflict (system, entity) do update set reason = excluded.reason where b.reason <> excluded.reason;
  return true;
end $$;

-- Takes off brakes for which no delete waits: all rows are back.
create or replace function sync.release_brakes() returns void language sql as $$
  delete from sync.brake b
   where not exists (select from sync.link l
                      where l.system = b.system and l.entity = b.entity and l.deletion = case b.direction when 'out' then 'held_out' else 'held_in' end);
$$;

-- Stops tables in whose place another one stands, under their name: its changes are not captured.
create or replace function sync.block_replaced() returns void language sql as $$
  select sync.block(i.system, i.entity)
    from sync.entity e
    join pg_class c on c.oid = e.relation
    join pg_class o on o.relname = e.name and o.relnamespace = c.relnamespace and o.relkind in ('r', 'p') and o.oid <> c.oid
    join sync.integration i on i.entity = e.name or e.part_of = i.entity
   where c.relname <> e.name and not sync.is_blocked(i.system, i.entity);
$$;

-- Lets tables go on that can be seen again. For the application's own role: others may see more.
create or replace function sync.unblock() returns void language plpgsql as $$
declare
  b        sync.blocked;
  v_reason text;
begin
  for b in select * from sync.blocked t loop
    v_reason := sync.obstacle(b.system, b.entity);
    if v_reason is null then
      delete from sync.blocked t where t.system = b.system and t.entity = b.entity;
      delete from sync.failure f where f.system = b.system and f.entity = b.entity and f.code = 'blocked';
    elsif v_reason <> b.reason then
      update sync.blocked t set reason = v_reason where t.system = b.system and t.entity = b.entity;
    end if;
  end loop;
end $$;

-- Whether the record's row was seen to be deleted.
create or replace function sync.is_noted(l sync.link) returns boolean language plpgsql as $$
begin
  return exists (select from sync.deletion d where d.entity = l.entity and d.record_id = l.record_id);
end $$;

-- What becomes of a delete: delete (or, of a row, follow), keep, mark <column>, hold, or later: it is asked again when its change is captured. p_direction: out when the row is gone, in when the
-- object is. Deletes are held when there were more of them within an hour than the integration allows, and from then on until a person decides.
create or replace function sync.decide_deletion(l sync.link, p_direction text) returns text language plpgsql as $$
declare
  i        sync.integration;
  v_rule   text;
  v_recent bigint;
  v_linked bigint;
begin
  select * into i from sync.integration t where t.system = l.system and t.entity = l.entity;
  v_rule := case p_direction when 'out' then i.deletes_out else i.deletes_in end;
  if v_rule = 'keep' or v_rule like 'mark %' then
    return v_rule;
  elsif v_rule is null or l.deletion = 'confirmed' then
    return 'delete';
  elsif v_rule = 'ask' then
    perform sync.record_failure(l.system, l.entity, l.record_id, p_direction, 'permanent', 'delete',
      format('%s: to delete it %s, too: select sync.confirm_delete(%L, %L, %L); to leave it: select sync.cancel_delete(%3$L, %4$L, %5$L)',
             case p_direction when 'out' then 'the row was deleted' else 'its object was deleted in ' || l.system end,
             case p_direction when 'out' then 'in ' || l.system else 'here' end, l.system, l.entity, l.record_id), null, null);
    return 'hold';
  end if;
  if p_direction = 'out' and not sync.is_noted(l) then
    if exists (select from sync.outbox o where o.entity = l.entity and o.record_id = l.record_id and o.op = 'd') or sync.is_noted(l) then
      return 'later'; -- its message is about to come
    end if;
    perform sync.record_failure(l.system, l.entity, l.record_id, 'out', 'permanent', 'delete',
      format('the row is missing, and nobody was seen deleting it: to delete it in %1$s, too: select sync.confirm_delete(%1$L, %2$L, %3$L); to leave it: select sync.cancel_delete(%1$L, %2$L, %3$L)',
             l.system, l.entity, l.record_id), null, null);
    return 'hold';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('sync.brake/' || l.system || '/' || l.entity, 0)) -- of several at once, each counts the others
    where not exists (select from sync.brake b where b.system = l.system and b.entity = l.entity and b.direction = p_direction);
  -- That may have taken a while: the row may be back, or the one before have held its delete.
  if p_direction = 'out' and sync.read(l.entity, l.record_id) is not null then
    return 'later'; -- the message of its insert is about to come
  elsif exists (select from sync.brake b where b.system = l.system and b.entity = l.entity and b.direction = p_direction) then
    return 'hold';
  end if;
  if p_direction = 'out' then
    select count(*) into v_recent
      from sync.deletion d join sync.link t on t.record_id = d.record_id and t.entity = d.entity and t.system = l.system
     where d.entity = l.entity and t.external_id is not null and t.deletion is distinct from 'confirmed'
       and (t.deleted_at is null or t.deleted_by = 'hub' and t.deleted_at > clock_timestamp() - interval '1 hour'); -- however long ago, if it has not gone out
  else
    select 1 + count(*) into v_recent from sync.link t
     where t.system = l.system and t.entity = l.entity and t.deleted_at > clock_timestamp() - interval '1 hour' and t.deleted_by = l.system
       and t.deletion is distinct from 'confirmed';
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

-- Whether a delete waits for a person: not of a row that is back.
create or replace function sync.is_held(l sync.link) returns boolean language plpgsql as $$
begin
  return l.deletion = 'held_in' or l.deletion = 'held_out' and sync.read(l.entity, l.record_id) is null or l.deletion is null and sync.awaits_deletion(l);
end $$;

-- Two questions need two answers.
create or replace function sync.check_one_direction(p_system text, p_entity text, p_record_id text, p_direction text) returns void language plpgsql as $$
declare
  v_out bigint;
  v_in  bigint;
begin
  if p_direction not in ('in', 'out') then
    raise exception 'there is no direction %', p_direction using hint = 'Say in or out.';
  end if;
  select count(*) filter (where t.deletion is distinct from 'held_in'), count(*) filter (where t.deletion = 'held_in') into v_out, v_in
    from sync.link t
   where t.system = p_system and t.entity = p_entity and (p_record_id is null or t.record_id = p_record_id)
     and (t.deletion in ('held_out', 'held_in') or t.deletion is null and t.external_id is not null and exists (
            select from sync.deletion d where d.entity = p_entity and d.record_id = t.record_id)) and sync.is_held(t);
  if p_direction is null and v_out > 0 and v_in > 0 then
    raise exception '% deletes of % wait to go to %, and % wait to be made here', v_out, p_entity, p_system, v_in
      using hint = 'Say which you mean: p_direction => ''out'' are those that go there, ''in'' are those here.';
  end if;
end $$;

-- Takes note that a row is there: whatever was decided about its delete is over.
create or replace function sync.row_is_back(inout l sync.link) language plpgsql as $$
begin
  -- Read once more: it may have been deleted since, and noted.
  delete from sync.deletion d where d.entity = l.entity and d.record_id = l.record_id and sync.read(l.entity, l.record_id) is not null;
  if l.deletion is null then
    return;
  end if;
  l.deletion := null;
  update sync.link t set deletion = null where t.system = l.system and t.entity = l.entity and t.record_id = l.record_id;
end $$;

-- The same of its parts.
create or replace function sync.parts_are_back(l sync.link, p_record jsonb) returns void language plpgsql as $$
declare
  p sync.link;
begin
  for p in
    select t.* from sync.entity e join sync.link t on t.system = l.system and t.entity = e.name
     where e.part_of = l.entity and t.deletion = 'held_out' and t.whole = l.record_id and coalesce(p_record -> (t.entity || '/' || t.record_id), 'null') <> 'null'
  loop
    perform sync.row_is_back(p);
  end loop;
end $$;

-- Whether the delete of a part, entity/id, waits for a person: too many of its kind are to be deleted at once, besides those whose records are.
create or replace function sync.holds_part(l sync.link, p_part text) returns boolean language plpgsql as $$
declare
  p         sync.link;
  i         sync.integration;
  v_pending text[];
  v_linked  bigint;
begin
  select * into p from sync.link t
   where t.system = l.system and t.entity = split_part(p_part, '/', 1) and t.record_id = substr(p_part, strpos(p_part, '/') + 1);
  if not found or p.external_id is null or p.deletion = 'confirmed' then
    return false;
  elsif p.deletion = 'held_out' then
    return true;
  end if;
  select * into i from sync.integration t where t.system = l.system and t.entity = l.entity;
  insert into sync.deletion (entity, record_id, at) values (p.entity, p.record_id, clock_timestamp()) on conflict do nothing;
  v_pending := array(
    select t.record_id
      from sync.deletion d join sync.link t on t.record_id = d.record_id and t.entity = d.entity and t.system = l.system
     where d.entity = p.entity and t.external_id is not null and t.deletion is distinct from 'confirmed'
       and not exists (select from sync.deletion w where w.entity = l.entity and w.record_id = t.whole)
       and not exists (select from sync.failure f -- of a final invoice, say
                        where f.system = l.system and f.entity = l.entity and f.record_id = t.whole and f.class = 'permanent' and f.code <> 'delete'));
  if i.max_deletes is null or cardinality(v_pending) <= i.max_deletes then
    return false;
  end if;
  select count(*) into v_linked from sync.link t where t.system = l.system and t.entity = p.entity and t.external_id is not null;
  if cardinality(v_pending) <= v_linked * i.max_delete_percent / 100 then
    return false;
  end if;
  insert into sync.brake (system, entity, direction) values (l.system, p.entity, 'out') on conflict do nothing;
  update sync.link t set deletion = 'held_out'
   where t.system = l.system and t.entity = p.entity and t.record_id = any (v_pending) and t.deletion is null;
  return true;
end $$;

-- A person has looked at the deletes that wait, and lets them go on: those of a table, or of one record. Says how many.
create or replace function sync.confirm_deletes(p_system text, p_entity text, p_record_id text default null, p_direction text default null)
returns text language plpgsql as $$
declare
  l          sync.link;
  v_fields   text[] := (select i.fields from sync.integration i where i.system = p_system and i.entity = p_entity);
  v_whole    text   := (select e.part_of from sync.entity e where e.name = p_entity);
  v_out      bigint := 0;
  v_in       bigint := 0;
begin
  perform sync.check_one_direction(p_system, p_entity, p_record_id, p_direction);
  for l in
    select * from sync.link t
     where t.system = p_system and t.entity = p_entity and (p_record_id is null or t.record_id = p_record_id) and sync.is_held(t)
       and (p_direction is null or p_direction = case t.deletion when 'held_in' then 'in' else 'out' end)
     order by t.record_id for update
  loop
    delete from sync.failure f
     where f.system = p_system and f.entity = coalesce(v_whole, p_entity) and f.record_id = coalesce(l.whole, l.record_id) and f.code = 'delete';
    if l.deletion is distinct from 'held_in' then
      update sync.link t set deletion = 'confirmed' where t.system = p_system and t.entity = p_entity and t.record_id = l.record_id;
      perform sync.poke(coalesce(v_whole, p_entity), coalesce(l.whole, l.record_id), p_system);
      v_out := v_out + 1;
    else
      begin
        l.deletion := 'confirmed';
        perform sync.save(sync.bury(l, l.external_id, v_fields, p_system));
        v_in := v_in + 1;
      exception when others then
        perform sync.keep_failure(p_system, p_entity, l.record_id, sqlstate, sqlerrm, null);
      end;
    end if;
  end loop;
  if p_record_id is null then
    delete from sync.brake b where b.system = p_system and b.entity = p_entity and b.direction = coalesce(p_direction, b.direction);
  end if;
  return format('%s deletes go on to %s, %s rows are deleted here', v_out, p_system, v_in);
end $$;

-- A person has looked at the deletes that wait, and takes them for a mistake: what is left on the other side stays there, and is no longer linked.
-- A reconcile shows the difference. Says how many.
create or replace function sync.cancel_deletes(p_system text, p_entity text, p_record_id text default null, p_direction text default null)
returns text language plpgsql as $$
declare
  v_count bigint;
begin
  if exists (select from sync.entity e where e.name = p_entity and e.part_of is not null) then
    raise exception 'rows of % belong to others, which cannot be synced without them', p_entity
      using hint = format('Insert the rows again under their ids, or select sync.confirm_deletes(%L, %L).', p_system, p_entity);
  end if;
  perform sync.check_one_direction(p_system, p_entity, p_record_id, p_direction);
  with held as (
    delete from sync.link t
     where t.system = p_system and t.entity = p_entity and (p_record_id is null or t.record_id = p_record_id) and sync.is_held(t)
       and (p_direction is null or p_direction = case t.deletion when 'held_in' then 'in' else 'out' end)
    returning t.record_id, t.external_id, t.deletion), left_there as (
    insert into sync.unlinked (system, entity, record_id, external_id)
    select p_system, p_entity, h.record_id, h.external_id from held h where h.deletion is distinct from 'held_in' and h.external_id is not null
    on conflict (system, entity, record_id) do update set external_id = excluded.external_id), gone as (
    insert into sync.tombstone (system, entity, external_id, record_id)
    select p_system, p_entity, h.external_id, h.record_id from held h where h.deletion = 'held_in' on conflict do nothing), parts as (
    delete from sync.link t using held h, sync.entity e
     where e.part_of = p_entity and t.system = p_system and t.entity = e.name and t.whole = h.record_id), told as (
    delete from sync.failure f using held h where f.system = p_system and f.entity = p_entity and f.record_id = h.record_id)
  select count(*) into v_count from held;
  if p_record_id is null then
    delete from sync.brake b where b.system = p_system and b.entity = p_entity and b.direction = coalesce(p_direction, b.direction);
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

-- Forgets deletes of more than an hour ago, but for those that have not gone out everywhere.
create or replace function sync.forget_deletions() returns void language sql as $$
  delete from sync.deletion d
   where d.at < clock_timestamp() - interval '1 hour'
     and not exists (select from sync.link t
                      where t.system in (select i.system from sync.integration i) and t.entity = d.entity and t.record_id = d.record_id
                        and t.external_id is not null and t.deleted_at is null);
$$;

-- What is wrong with the column of 'mark <column>', in words; null when nothing is.
create or replace function sync.mark_column_missing(p_entity text, p_deletes_in text) returns text language sql stable as $$
  select format('%s has no column %s of type timestamptz', e.name, substr(p_deletes_in, 6))
    from sync.entity e
   where e.name = p_entity and p_deletes_in like 'mark %'
     and not exists (select from pg_attribute a
                      where a.attrelid = e.relation and a.attname = substr(p_deletes_in, 6) and not a.attisdropped and a.atttypid = 'timestamptz'::regtype);
$$;

-- A field that is no column of a tracked table, and that the start before did not tell either: then its column is gone since, and its records
-- wait. Null when there is none.
create or replace function sync.unknown_field(p_system text, p_entity text, p_fields text[]) returns text language sql stable as $$
  select f
    from sync.entity e join pg_class c on c.oid = e.relation cross join unnest(p_fields) f
   where e.name = p_entity and f not like '%/%'
     and not exists (select from pg_attribute a where a.attrelid = e.relation and a.attname = f and a.attnum > 0 and not a.attisdropped)
     and not exists (select from sync.integration i where i.system = p_system and i.entity = p_entity and f = any (i.fields))
   limit 1;
$$;
