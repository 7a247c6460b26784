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
create or replace function sync.tracked(p_entity text) returns boolean language sql stable as $$
  select exists (select from sync.entity e join pg_class c on c.oid = e.relation where e.name = p_entity);
$$;

-- A record as it is now, as JSON; null when it does not exist. Whoever compares the answer sets the time zone to UTC
-- before, for it decides how times are spelled. p_lock: nobody else may change it until we commit.
create or replace function sync.read(p_entity text, p_record_id text, p_lock boolean default false) returns jsonb language plpgsql as $$
declare
  v_entity sync.entity;
  v_record jsonb;
begin
  select * into v_entity from sync.entity where name = p_entity;
  if not found then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  end if;
  execute format('select to_jsonb(t.*) from %s t where t.%I = $1::%s %s',
                 v_entity.relation, v_entity.key_column, v_entity.key_type, case when p_lock then 'for no key update' end)
     into v_record using p_record_id;
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
  p_system text, p_entity text, p_values jsonb, inout p_record_id text, out p_record jsonb) language plpgsql as $$
declare
  v_entity  sync.entity;
  v_columns text;
begin
  select * into strict v_entity from sync.entity where name = p_entity;
  select string_agg(quote_ident(f), ', ') into v_columns from jsonb_object_keys(p_values) f;
  perform sync.act_for(p_system, p_entity || '/');
  if p_record_id is null and v_columns is null then
    execute format('insert into %1$s as t default values returning to_jsonb(t.*), t.%2$I::text', v_entity.relation, v_entity.key_column)
       into strict p_record, p_record_id;
  elsif p_record_id is null then
    execute format('insert into %1$s as t (%2$s) select %2$s from jsonb_populate_record(null::%1$s, $1)
                    returning to_jsonb(t.*), t.%3$I::text', v_entity.relation, v_columns, v_entity.key_column)
       into strict p_record, p_record_id using p_values;
  else
    execute format('update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, $1))
                     where t.%3$I = $2::%4$s returning to_jsonb(t.*)',
                   v_entity.relation, v_columns, v_entity.key_column, v_entity.key_type)
       into p_record using p_values, p_record_id;
  end if;
  perform sync.act_for('', '');
end $$;

-- Deletes a record in the name of a system. Says whether there was one.
create or replace function sync.erase(p_system text, p_entity text, p_record_id text) returns boolean language plpgsql as $$
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

-- One external object at a time: two events about one that is not linked yet must not make two records.
create or replace function sync.lock_external(p_system text, p_entity text, p_external_id text) returns void language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(p_system || '/' || p_entity || '/' || p_external_id, 0));
end $$;
