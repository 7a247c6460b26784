-- Records of tracked tables: read, compared and written by name. What the steps of a sync are made of.
-- Repeatable: every statement replaces what is there.

-- The named fields of a record; one that is missing reads as null, so that two states compare field by field.
-- (Loops, here and below: a query over unnest() costs four times as much.)
create or replace function sync.pick(p_record jsonb, p_fields text[]) returns jsonb language plpgsql immutable as $$
declare
  v_field  text;
  v_picked jsonb := '{}';
begin
  foreach v_field in array p_fields loop
    v_picked := v_picked || jsonb_build_object(v_field, coalesce(p_record -> v_field, 'null'));
  end loop;
  return v_picked;
end $$;

-- The fields in which two states differ.
create or replace function sync.moved(p_from jsonb, p_to jsonb, p_fields text[]) returns text[] language plpgsql immutable as $$
declare
  v_field text;
  v_moved text[] := '{}';
begin
  foreach v_field in array p_fields loop
    if coalesce(p_from -> v_field, 'null') <> coalesce(p_to -> v_field, 'null') then
      v_moved := v_moved || v_field;
    end if;
  end loop;
  return v_moved;
end $$;

-- Whether the entity is a table that is tracked at present, and not dropped.
create or replace function sync.tracked(p_entity text) returns boolean language plpgsql stable as $$
begin
  return exists (select from sync.entity e join pg_class c on c.oid = e.relation where e.name = p_entity);
end $$;

-- The fields of an integration with each part of a record by its name: 'invoice_items/*' stands for all parts that any of
-- these states has. Other fields stand for themselves.
create or replace function sync.fields(p_fields text[], variadic p_states jsonb[]) returns text[] language plpgsql immutable as $$
declare
  v_field  text;
  v_fields text[] := '{}';
begin
  if array_to_string(p_fields, ',') not like '%/*%' then
    return p_fields;
  end if;
  foreach v_field in array p_fields loop
    v_fields := v_fields || case when v_field not like '%/*' then array[v_field]
      else array(select k from (select distinct jsonb_object_keys(s) as k from unnest(p_states) s where jsonb_typeof(s) = 'object') d
                  where starts_with(k, left(v_field, -1)) order by length(k), k) end;
  end loop;
  return v_fields;
end $$;

-- The named columns of a row, all of which it has: BA002 when it does not.
create or replace function sync.pick_all(p_entity text, p_row jsonb, p_columns text[]) returns jsonb language plpgsql immutable as $$
begin
  if not p_row ?& p_columns then
    raise exception '% has lost a column that is synced', p_entity using errcode = 'BA002';
  end if;
  return sync.pick(p_row, p_columns);
end $$;

-- Makes sure that a record has all columns that the system syncs: one that was renamed is not null (BA002).
create or replace function sync.check_columns(p_system text, p_entity text, p_record jsonb) returns void language plpgsql as $$
declare
  v_fields text[] := (select i.fields from sync.integration i where i.system = p_system and i.entity = p_entity);
  v_field  text;
begin
  if p_record is null then
    return;
  end if;
  foreach v_field in array coalesce(v_fields, '{}') loop
    if not p_record ? v_field and v_field not like '%/*' then
      raise exception '% has no column %', p_entity, v_field using errcode = 'BA002';
    end if;
  end loop;
end $$;

-- A record as it is now, as JSON; null when it does not exist. Whoever compares the answer sets the time zone to UTC
-- before, for it decides how times are spelled. p_lock: nobody else may change it until we commit. A part of it is the
-- field <table>/<id>, an object; the record was changed when its youngest part was.
-- With row_security off a table whose policies would hide rows is an error (42501), and not an empty answer.
create or replace function sync.read(p_entity text, p_record_id text, p_lock boolean default false) returns jsonb language plpgsql
  set row_security = off as $$
declare
  v_entity  sync.entity;
  p         sync.entity;
  v_record  jsonb;
  v_parts   jsonb;
  v_changed timestamptz;
begin
  select * into v_entity from sync.entity where name = p_entity;
  if not found then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  end if;
  execute format('select to_jsonb(t.*) from %s t where t.%I = $1::%s %s',
                 v_entity.relation, v_entity.key_column, v_entity.key_type, case when p_lock then 'for no key update' end)
     into v_record using p_record_id;
  if v_record is null or v_entity.parts = '{}' then
    return v_record;
  end if;
  for p in select * from sync.entity e where e.name = any (v_entity.parts) loop
    execute format('select jsonb_object_agg(%1$L || t.%2$I, sync.pick_all(%8$L, to_jsonb(t.*), $2)), %7$s
                      from (select * from %3$s where %4$I = $1::%5$s %6$s) t',
                   p.name || '/', p.key_column, p.relation, p.part_key, v_entity.key_type, case when p_lock then 'for no key update' end,
                   case when p.has_updated_at then 'max(t.updated_at)' else 'null' end, p.name)
       into v_parts, v_changed using p_record_id, p.part_columns;
    v_record := v_record || coalesce(v_parts, '{}');
    if v_changed > (v_record ->> 'updated_at')::timestamptz then
      v_record := v_record || jsonb_build_object('updated_at', v_changed);
    end if;
  end loop;
  return v_record;
end $$;

-- Tells the capture in whose name what is written: entity/id, or entity/ for one that the write itself names. Nobody's
-- when both are empty. What the write sets off elsewhere, by triggers or cascades, is the hub's own.
create or replace function sync.act_for(p_system text, p_written text) returns void language plpgsql as $$
begin
  perform set_config('sync.origin', p_system, true), set_config('sync.written', p_written, true);
end $$;

-- A text as the id of a record, spelled as captured changes spell it; null when it cannot be one.
create or replace function sync.id(p_entity text, p_text text) returns text language plpgsql
  set timezone = 'UTC' set datestyle = 'ISO' set intervalstyle = 'iso_8601' set extra_float_digits = 1 set bytea_output = 'hex' as $$
declare
  v_type text := (select key_type from sync.entity where name = p_entity);
  v_id   text;
begin
  if pg_input_is_valid(p_text, v_type) then
    execute format('select $1::%s::text', v_type) into v_id using p_text;
  end if;
  return v_id;
end $$;

-- Writes fields of a record (p_record_id null: a new one) in the name of a system. Returns the record as it then is,
-- and its id. Only the fields given are touched; the others keep their value, or their default.
create or replace function sync.write(
  p_system text, p_entity text, p_values jsonb, inout p_record_id text, out p_record jsonb) language plpgsql
  set row_security = off as $$
declare
  v_entity  sync.entity;
  v_columns text;
  v_parts   jsonb;
begin
  select * into strict v_entity from sync.entity where name = p_entity;
  if v_entity.parts <> '{}' then
    select jsonb_object_agg(f.key, f.value) into v_parts from jsonb_each(p_values) f where f.key like '%/%';
    p_values := p_values - array(select jsonb_object_keys(v_parts));
  end if;
  select string_agg(quote_ident(f), ', ') into v_columns from jsonb_object_keys(p_values) f;
  perform sync.act_for(p_system, p_entity || '/');
  if p_record_id is null and v_columns is null then
    execute format('insert into %1$s as t default values returning to_jsonb(t.*), t.%2$I::text', v_entity.relation, v_entity.key_column)
       into strict p_record, p_record_id;
  elsif p_record_id is null then
    execute format('insert into %1$s as t (%2$s) select %2$s from jsonb_populate_record(null::%1$s, $1)
                    returning to_jsonb(t.*), t.%3$I::text', v_entity.relation, v_columns, v_entity.key_column)
       into strict p_record, p_record_id using p_values;
  elsif v_columns is not null then
    execute format('update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, $1))
                     where t.%3$I = $2::%4$s returning to_jsonb(t.*)',
                   v_entity.relation, v_columns, v_entity.key_column, v_entity.key_type)
       into p_record using p_values, p_record_id;
    if p_record is null then
      raise exception 'a trigger keeps % % from being changed', p_entity, p_record_id using errcode = 'integrity_constraint_violation';
    end if;
  end if;
  if v_parts is not null then
    perform sync.write_part(p_system, v_entity, p_record_id, f.key, f.value) from jsonb_each(v_parts) f;
  end if;
  if v_entity.parts <> '{}' then
    p_record := sync.read(p_entity, p_record_id);
  end if;
  perform sync.act_for('', '');
end $$;

-- Rows by id, and nobody else changes them until we commit; one that somebody else has is told as busy. place: where a row is now. Of records without parts.
drop function if exists sync.lock_rows(text, text[], boolean);
create or replace function sync.lock_rows(p_entity text, p_ids text[]) returns table (id text, busy boolean, record jsonb, place text) language plpgsql
  set row_security = off as $$
declare
  e sync.entity;
begin
  select * into strict e from sync.entity t where t.name = p_entity;
  return query execute format(
    'with locked as materialized (
       select t.%1$I as key, to_jsonb(t.*) as record, t.ctid::text as place
         from %2$s t where t.%1$I = any ($1::%3$s[]) order by t.%1$I for no key update skip locked)
     select u.id, k.key is null and exists (select from %2$s t where t.%1$I = u.id::%3$s), k.record, k.place
       from unnest($1) u(id) left join locked k on k.key = u.id::%3$s',
    e.key_column, e.relation, e.key_type) using p_ids;
end $$;

-- Changes the same columns of several records in the name of a system. Returns each as it then is. p_places: where each was when it was read: one that was changed since,
-- by a trigger of another one say, is left out.
drop function if exists sync.update_rows(text, text, text[], text[], text[]);
create or replace function sync.update_rows(p_system text, p_entity text, p_columns text[], p_ids text[], p_values text[], p_places text[])
returns table (id text, record jsonb) language plpgsql set row_security = off as $$
declare
  e         sync.entity;
  v_columns text := (select string_agg(quote_ident(c), ', ') from unnest(p_columns) c);
begin
  select * into strict e from sync.entity t where t.name = p_entity;
  perform sync.act_for(p_system, p_entity || '/');
  return query execute format(
    'update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, u.value::jsonb)) from unnest($1, $2, $3) u(id, value, place)
      where t.%3$I = u.id::%4$s and t.ctid = coalesce(u.place::tid, t.ctid) returning u.id, to_jsonb(t.*)', e.relation, v_columns, e.key_column, e.key_type)
    using p_ids, p_values, p_places;
  perform sync.act_for('', '');
end $$;

-- Makes several records of the same columns in the name of a system. Returns them in that order.
create or replace function sync.insert_rows(p_system text, p_entity text, p_columns text[], p_values text[], p_imported boolean)
returns table (id text, record jsonb) language plpgsql set row_security = off as $$
declare
  e         sync.entity;
  v_columns text := (select string_agg(quote_ident(c), ', ') from unnest(p_columns) c);
begin
  select * into strict e from sync.entity t where t.name = p_entity;
  perform sync.act_for(p_system, p_entity || '/'), set_config('sync.importing', case when p_imported then 'on' else 'off' end, true);
  if v_columns is null then
    return query execute format('insert into %1$s as t default values returning t.%2$I::text, to_jsonb(t.*)', e.relation, e.key_column);
  else
    return query execute format(
      'insert into %1$s as t (%2$s) select %2$s from unnest($1) with ordinality u(value, n), jsonb_populate_record(null::%1$s, u.value::jsonb) order by u.n
       returning t.%3$I::text, to_jsonb(t.*)', e.relation, v_columns, e.key_column) using p_values;
  end if;
  perform sync.act_for('', ''), set_config('sync.importing', 'off', true);
end $$;

-- Writes one part of a record, named <table>/<id>; a JSON null deletes it. A row that is another record's by now stays there.
create or replace function sync.write_part(p_system text, p_whole sync.entity, p_record_id text, p_name text, p_value jsonb) returns void language plpgsql
  set row_security = off as $$
declare
  p         sync.entity;
  v_id      text := substr(p_name, strpos(p_name, '/') + 1);
  v_columns text;
  v_rows    bigint;
begin
  select * into strict p from sync.entity where name = split_part(p_name, '/', 1);
  if p_value = 'null' then
    perform sync.act_for(p_system, p_name);
    execute format('delete from %s where %I = $1::%s and %I = $2::%s', p.relation, p.key_column, p.key_type, p.part_key, p_whole.key_type)
      using v_id, p_record_id;
    return;
  end if;
  perform sync.act_for(p_system, p.name || '/');
  select string_agg(quote_ident(f), ', ') into v_columns from jsonb_object_keys(p_value) f where f = any (p.part_columns);
  execute format('update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, $1))
                   where t.%3$I = $2::%4$s and t.%5$I = $3::%6$s',
                 p.relation, v_columns, p.key_column, p.key_type, p.part_key, p_whole.key_type)
    using p_value, v_id, p_record_id;
  get diagnostics v_rows = row_count;
  if v_rows = 0 then
    execute format('insert into %1$s (%3$I, %5$I, %2$s) overriding system value
                    select $2::%4$s, $3::%6$s, %2$s from jsonb_populate_record(null::%1$s, $1) on conflict do nothing',
                   p.relation, v_columns, p.key_column, p.key_type, p.part_key, p_whole.key_type)
      using p_value, v_id, p_record_id;
  end if;
end $$;

-- Deletes a record in the name of a system. Says whether there was one.
create or replace function sync.erase(p_system text, p_entity text, p_record_id text) returns boolean language plpgsql
  set row_security = off as $$
declare
  v_entity sync.entity;
  v_rows   bigint;
begin
  select * into strict v_entity from sync.entity where name = p_entity;
  perform sync.act_for(p_system, p_entity || '/' || p_record_id);
  execute format('delete from %s where %I = $1::%s', v_entity.relation, v_entity.key_column, v_entity.key_type) using p_record_id;
  get diagnostics v_rows = row_count;
  perform sync.act_for('', '');
  return v_rows > 0;
end $$;

-- A value of the key for a new row, as its default would make it, that no row has: whoever gives ids by hand may be ahead of a sequence.
create or replace function sync.new_id(p_entity text) returns text language plpgsql
  set row_security = off as $$
declare
  e         sync.entity;
  v_default text;
  v_id      text;
  v_taken   boolean;
begin
  select * into strict e from sync.entity where name = p_entity;
  v_default := coalesce('nextval(' || quote_literal(pg_get_serial_sequence(e.relation::text, e.key_column)) || ')',
                        (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                          where d.adrelid = e.relation and a.attname = e.key_column));
  if v_default is null then
    raise exception '%.% has no default', e.relation, e.key_column using hint = 'What is made elsewhere gets its id from there.';
  end if;
  for i in 1 .. 10000 loop
    execute format('select (%s)::text', v_default) into v_id;
    execute format('select exists (select from %s where %I = $1::%s)', e.relation, e.key_column, e.key_type) into v_taken using v_id;
    if not v_taken and not exists (select from sync.link l where l.entity = p_entity and l.record_id = v_id) then
      return v_id;
    end if;
  end loop;
  raise exception 'the ids that %.% gives are taken: set its sequence beyond them', e.relation, e.key_column using errcode = 'unique_violation';
end $$;

-- A state in canonical form, as a mapping makes it, in the hub's own ids: p_state names other records and its parts by their
-- ids in the other system. A field that refers to a tracked table becomes that record's id. The list of a part,
-- "invoice_items": [{id, hub_id, hub, …}], which tells of all that there are, becomes one field for each, and null for those in p_known
-- that it does not have; a single one, "invoice_items/<external id>": {…} or null, is renamed. p_make: a part that is met for the
-- first time gets an id, and a link that remembers it; and BA001 is raised when the state refers to an object that the hub does
-- not have, with the message <entity>/<external id>. Else the one keeps its id there, and the other is null.
create or replace function sync.internal(
  p_system text, p_entity text, p_record_id text, p_state jsonb, p_known jsonb, p_make boolean default true) returns jsonb language plpgsql as $$
declare
  e      sync.entity;
  p      sync.entity;
  v      record;
  v_id   text;
  v_ref  jsonb;
  v_part jsonb;
begin
  select * into e from sync.entity where name = p_entity;
  if p_state is null or e.refs = '{}' and e.parts = '{}' then
    return p_state;
  end if;
  for v in select r.key, r.value from jsonb_each_text(e.refs) r where jsonb_typeof(p_state -> r.key) = 'string' loop
    v_ref := sync.internal_ref(p_system, v.value, p_state ->> v.key, p_make);
    if p_make and v_ref <> 'null' and p_known -> v.key is distinct from v_ref then
      v_ref := sync.held_ref(v.value, v_ref);
    end if;
    p_state := p_state || jsonb_build_object(v.key, v_ref);
  end loop;
  for p in select * from sync.entity t where t.name = any (e.parts) loop
    for v in select s.key, s.value, substr(s.key, length(p.name) + 2) as id from jsonb_each(p_state) s where starts_with(s.key, p.name || '/') loop
      v_id := sync.part_id(p_system, p, p_record_id, v.id, sync.own_pointer(v.value), p_known, p_make);
      p_state := p_state - v.key || jsonb_build_object(
        p.name || '/' || v_id, case when v.value = 'null' then v.value else sync.internal_part(p_system, p, v_id, v.value, p_known, p_make) end);
    end loop;
    if jsonb_typeof(p_state -> p.name) = 'array' then
      v_part := coalesce((select jsonb_object_agg(k, null) from jsonb_object_keys(p_known) k where starts_with(k, p.name || '/')), '{}');
      for v in select l.value from jsonb_array_elements(p_state -> p.name) l loop
        v_id := sync.part_id(p_system, p, p_record_id, v.value ->> 'id', sync.own_pointer(v.value), p_known, p_make);
        v_part := v_part || jsonb_build_object(p.name || '/' || v_id, sync.internal_part(p_system, p, v_id, v.value, p_known, p_make));
      end loop;
      p_state := p_state - p.name || v_part;
    end if;
  end loop;
  return p_state;
end $$;

-- The row that a part points to, unless it names another installation. One that names none is believed: it is a part of what is ours.
create or replace function sync.own_pointer(p_part jsonb) returns text language plpgsql stable as $$
begin
  return case when coalesce(p_part ->> 'hub', sync.hub()) = sync.hub() then p_part ->> 'hub_id' end;
end $$;

-- The same for one part. It does not wait for an object that the hub does not have: it comes without it, and its link remembers to
-- look at the whole again when that is there (sync.release).
create or replace function sync.internal_part(
  p_system text, p sync.entity, p_record_id text, p_part jsonb, p_known jsonb, p_make boolean) returns jsonb language plpgsql as $$
declare
  v     record;
  v_ref jsonb;
begin
  p_part := p_part - 'id' - 'hub_id' - 'hub';
  for v in select r.key, r.value, p_part ->> r.key as id from jsonb_each_text(p.refs) r where jsonb_typeof(p_part -> r.key) = 'string' loop
    v_ref := sync.internal_ref(p_system, v.value, v.id, false);
    if p_make and v_ref = 'null' and not sync.is_known(p_system, v.value || '/' || v.id) then
      perform sync.lock_external(p_system, v.value, v.id); -- whoever makes it known just now is waited for
      v_ref := sync.internal_ref(p_system, v.value, v.id, false);
      update sync.link l set waits_for = ':' || v.value || '/' || v.id
       where l.system = p_system and l.entity = p.name and l.record_id = p_record_id and not sync.is_known(p_system, v.value || '/' || v.id);
    end if;
    if p_make and v_ref <> 'null' and p_known -> (p.name || '/' || p_record_id) -> v.key is distinct from v_ref then
      v_ref := sync.held_ref(v.value, v_ref);
    end if;
    p_part := p_part || jsonb_build_object(v.key, v_ref);
  end loop;
  return p_part;
end $$;

-- The id of the record that an object is linked to, as JSON has it; null when the record is gone. An object that the hub does not have
-- is waited for (BA001) if p_wait, else null.
create or replace function sync.internal_ref(p_system text, p_entity text, p_external_id text, p_wait boolean) returns jsonb language plpgsql as $$
declare
  v_id   text;
  v_gone boolean;
begin
  select l.record_id, l.deleted_at is not null into v_id, v_gone
    from sync.link l where l.system = p_system and l.entity = p_entity and l.external_id = p_external_id;
  if not found then
    v_gone := exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = p_external_id);
    if p_wait and not v_gone then
      raise exception '%/%', p_entity, p_external_id using errcode = 'BA001';
    end if;
    return 'null';
  end if;
  return case when v_gone or sync.read(p_entity, v_id) is null then 'null'::jsonb
              when (select e.key_type in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype) from sync.entity e where e.name = p_entity)
              then to_jsonb(v_id::bigint) else to_jsonb(v_id) end;
end $$;

-- The id of a record that a write will refer to: somebody who deletes it just now is waited for, and null if they do.
create or replace function sync.held_ref(p_entity text, p_ref jsonb) returns jsonb language plpgsql
  set row_security = off as $$
declare
  e      sync.entity;
  v_held boolean;
begin
  select * into strict e from sync.entity t where t.name = p_entity;
  execute format('select true from %s t where t.%I = $1::%s for key share', e.relation, e.key_column, e.key_type) into v_held using p_ref #>> '{}';
  return case when v_held then p_ref else 'null' end;
end $$;

-- The row that is a part of a record here for an object that is a part of it there: the one it is linked to; else the one that it
-- points to, if that is no other object's and belongs to the record, or did; else a new one.
create or replace function sync.part_id(
  p_system text, p sync.entity, p_record_id text, p_external_id text, p_hub_id text, p_known jsonb, p_make boolean) returns text language plpgsql
  set row_security = off as $$
declare
  v_id  text;
  v_own boolean;
begin
  select l.record_id into v_id from sync.link l where l.system = p_system and l.entity = p.name and l.external_id = p_external_id;
  if not found then
    select t.record_id into v_id from sync.tombstone t where t.system = p_system and t.entity = p.name and t.external_id = p_external_id;
  end if;
  if found or not p_make then
    return coalesce(v_id, p_external_id);
  end if;
  v_id := sync.id(p.name, p_hub_id);
  if v_id is not null and p_record_id is not null
     and not exists (select from sync.link l where l.system = p_system and l.entity = p.name and l.record_id = v_id
                                               and (l.external_id is not null or l.whole <> p_record_id)) then
    execute format('select exists (select from %s where %I = $1::%s and %I::text = $2)', p.relation, p.key_column, p.key_type, p.part_key)
       into v_own using v_id, p_record_id;
    v_own := v_own or p_known ? (p.name || '/' || v_id);
  end if;
  if v_own is not true then
    v_id := sync.new_id(p.name);
  end if;
  insert into sync.link (system, entity, record_id, external_id, whole) values (p_system, p.name, v_id, p_external_id, p_record_id)
  on conflict (record_id, entity, system) do update set external_id = excluded.external_id, whole = excluded.whole;
  return v_id;
end $$;

-- A record is about to have parts there: nobody else makes them meanwhile. One that was in a record which is gone here is made anew.
create or replace function sync.hold_parts(p_system text, p_entity text, p_record_id text, p_state jsonb) returns void language plpgsql as $$
declare
  v_name text;
  v_link sync.link;
begin
  for v_name in select f.key from jsonb_each(p_state) f where f.key like '%/%' and f.value <> 'null' loop
    insert into sync.link (system, entity, record_id, whole) values (p_system, split_part(v_name, '/', 1), substr(v_name, strpos(v_name, '/') + 1), p_record_id)
    on conflict do nothing;
    select * into strict v_link from sync.link t
     where t.system = p_system and t.entity = split_part(v_name, '/', 1) and t.record_id = substr(v_name, strpos(v_name, '/') + 1) for update;
    continue when v_link.whole = p_record_id;
    if v_link.whole is not null then
      if sync.read(p_entity, v_link.whole) is not null then
        raise exception 'another worker has %', v_name using errcode = 'serialization_failure'; -- just now
      end if;
      insert into sync.tombstone (system, entity, external_id, record_id)
      select v_link.system, v_link.entity, v_link.external_id, v_link.record_id where v_link.external_id is not null
      on conflict do nothing;
      v_link.external_id := null;
    end if;
    update sync.link t set whole = p_record_id, external_id = v_link.external_id
     where t.system = v_link.system and t.entity = v_link.entity and t.record_id = v_link.record_id;
  end loop;
end $$;

-- Parts that a record was about to have there, and has not here any more: they may be made elsewhere.
create or replace function sync.let_go_of_parts(l sync.link, p_record jsonb) returns void language plpgsql as $$
begin
  delete from sync.link p using sync.entity e
   where e.part_of = l.entity and p.system = l.system and p.entity = e.name and p.whole = l.record_id and p.external_id is null
     and not p_record ? (p.entity || '/' || p.record_id);
  if found then
    perform sync.release(l);
  end if;
end $$;

-- The opposite, for what is sent: a record in the other system's ids; a part among the fields p_sent also gets its own there, as
-- external_id. p_missing: a record that those fields name and that has no object yet, entity/id. p_base: it is what was agreed on,
-- and may name objects that are gone since.
create or replace function sync.external(
  p_system text, p_entity text, inout p_record jsonb, p_sent text[], out p_missing text, p_base boolean default false) language plpgsql as $$
declare
  e       sync.entity;
  p       sync.entity;
  v       record;
  v_part  jsonb;
  v_name  text;
  v_id    text;
  v_whole text;
begin
  select * into e from sync.entity where name = p_entity;
  if p_record is null or e.refs = '{}' and e.parts = '{}' then
    return;
  end if;
  for v in select r.key, r.value from jsonb_each_text(e.refs) r where p_record ->> r.key is not null loop
    v_id := sync.external_ref(p_system, v.value, p_record ->> v.key, p_base);
    p_missing := coalesce(p_missing, case when v_id is null and v.key = any (p_sent) then v.value || '/' || (p_record ->> v.key) end);
    p_record := p_record || jsonb_build_object(v.key, v_id);
  end loop;
  foreach v_name in array p_sent loop
    continue when v_name not like '%/%' or coalesce(p_record -> v_name, 'null') = 'null';
    select * into p from sync.entity t where t.name = split_part(v_name, '/', 1);
    continue when not found; -- not tracked any more
    v_whole := null;
    select t.external_id, t.whole into v_id, v_whole from sync.link t
     where t.system = p_system and t.entity = p.name and t.record_id = substr(v_name, strpos(v_name, '/') + 1);
    if v_whole <> p_record ->> e.key_column then
      v_id := null;
      if sync.read(p_entity, v_whole) is not null then
        p_missing := coalesce(p_missing, p_entity || '/' || v_whole); -- it has moved here, and is still in the other one there
      end if;
    end if;
    v_part := p_record -> v_name || jsonb_build_object('external_id', v_id);
    for v in select r.key, r.value from jsonb_each_text(p.refs) r where v_part ->> r.key is not null loop
      v_id := sync.external_ref(p_system, v.value, v_part ->> v.key, p_base);
      p_missing := coalesce(p_missing, case when v_id is null then v.value || '/' || (v_part ->> v.key) end);
      v_part := v_part || jsonb_build_object(v.key, v_id);
    end loop;
    p_record := p_record || jsonb_build_object(v_name, v_part);
  end loop;
end $$;

create or replace function sync.external_ref(p_system text, p_entity text, p_record_id text, p_gone_too boolean default false)
returns text language plpgsql stable as $$
begin
  return (select l.external_id from sync.link l
     where l.system = p_system and l.entity = p_entity and l.record_id = p_record_id and (p_gone_too or l.deleted_at is null));
end $$;

-- One external object at a time: two events about one that is not linked yet must not make two records.
create or replace function sync.lock_external(p_system text, p_entity text, p_external_id text) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(p_system || '/' || p_entity || '/' || p_external_id, 0));
end $$;
