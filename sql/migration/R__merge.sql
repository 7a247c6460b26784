-- The atomic steps of a sync: claim a record for one write, settle it, apply what came in. Each is one round trip,
-- and generic over system and entity. The rules they keep: docs/how-it-works.md.
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

-- Who wins a field that both sides changed: 'hub' or 'remote'. p_at is the remote's clock, to the second, so an edit
-- of the same second counts as the older one.
create or replace function sync.winner(p_policy text, p_entity text, p_record jsonb, p_at timestamptz) returns text
language plpgsql stable as $$
begin
  return case p_policy
    when 'hub' then 'hub'
    when 'remote' then 'remote'
    when 'newest' then
      case when (select has_updated_at from sync.entity where name = p_entity) and p_at > (p_record ->> 'updated_at')::timestamptz
           then 'remote' else 'hub' end
    else sync.refuse(format('unknown conflict policy %s: use newest, hub or remote', p_policy))
  end;
end $$;

create or replace function sync.refuse(p_message text) returns text language plpgsql as $$
begin
  raise exception '%', p_message;
end $$;

-- The three-way merge of a state of the remote into the hub, field by field. Changes the record where the remote moved,
-- keeps the hub's where only the hub did, records a conflict where both did. Returns the link with its bases advanced.
--
-- p_remote: the remote's state in canonical form; p_edited_at: when the remote was edited, for the policy.
create or replace function sync.merge(
  inout l sync.link, p_remote jsonb, p_edited_at timestamptz, p_fields text[], p_policy text, out outcome text) language plpgsql as $$
declare
  v_record      jsonb := sync.read(l.entity, l.record_id, true);
  v_take        jsonb := '{}';
  v_taken       text[] := '{}';
  v_agreed      jsonb := '{}';
  v_field       text;
  v_hub         jsonb;
  v_remote      jsonb;
  v_hub_base    jsonb;
  v_remote_base jsonb;
  v_winner      text;
  v_written     record;
begin
  outcome := 'unchanged';
  foreach v_field in array sync.moved(l.remote_base, p_remote, p_fields) loop
    v_hub         := coalesce(v_record -> v_field, 'null');
    v_remote      := coalesce(p_remote -> v_field, 'null');
    v_hub_base    := coalesce(l.hub_base -> v_field, 'null');
    v_remote_base := coalesce(l.remote_base -> v_field, 'null');
    if v_record is null then -- deleted in the hub: the delete wins, and goes out
      insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
           values (l.system, l.entity, l.record_id, v_field, v_remote_base, null, v_remote, 'hub',
                   'deleted in the hub, edited in ' || l.system);
      outcome := 'conflict';
    elsif v_hub = v_hub_base then
      v_take := v_take || jsonb_build_object(v_field, v_remote);
      v_taken := v_taken || v_field;
    elsif v_hub = v_remote then
      v_agreed := v_agreed || jsonb_build_object(v_field, v_hub);
    else
      v_winner := sync.winner(p_policy, l.entity, v_record, p_edited_at);
      insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
           values (l.system, l.entity, l.record_id, v_field, v_remote_base, v_hub, v_remote, v_winner,
                   'edited on both sides, policy ' || p_policy);
      if v_winner = 'remote' then
        v_take := v_take || jsonb_build_object(v_field, v_remote);
        v_taken := v_taken || v_field;
      else
        v_agreed := v_agreed || jsonb_build_object(v_field, v_remote); -- what the hub now differs from, even if it goes back
      end if;
      outcome := 'conflict';
    end if;
  end loop;

  if v_take <> '{}' then
    v_written := sync.write(l.system, l.entity, v_take, l.record_id);
    v_record := v_written.p_record;
    v_agreed := v_agreed || sync.pick(v_record, v_taken);
    outcome := case outcome when 'conflict' then 'conflict' else 'applied' end;
  end if;
  l.hub_base    := coalesce(l.hub_base, '{}') || v_agreed;
  l.remote_base := sync.pick(p_remote, p_fields);
end $$;

-- Takes what a write of ours achieved into the bases: the hub's side by what was sent, the remote's by how it spells
-- it. Called by whoever learns of it first, the answer or the event.
create or replace function sync.advance(inout l sync.link, p_external_id text, p_remote jsonb, p_at timestamptz, p_fields text[]) language plpgsql as $$
declare
  v_sent text[] := array(select f from unnest(p_fields) f where l.in_flight_op = 'create' or l.in_flight ? f);
begin
  l := sync.expect_echo(l, v_sent, false);
  l.external_id   := coalesce(p_external_id, l.external_id);
  l.hub_base      := coalesce(l.hub_base, '{}') || sync.pick(l.in_flight, v_sent);
  l.remote_base   := coalesce(l.remote_base, '{}') || sync.pick(p_remote, v_sent);
  l.last_event_at := greatest(l.last_event_at, p_at);
  l.in_chain      := false;
  l.revision      := l.revision + 1;
  l.in_flight_op  := null;
  l.in_flight     := null;
end $$;

-- Notes the write that is in flight, until its event comes and tells what it replaced. l.unechoed holds, by revision:
--
--   open   whether the outcome of that write is unknown, or was when it was given up for another one
--   known  by field, what it may replace without anybody having edited it: what the remote had there when it was
--          sent, what it has since, and what other writes of unknown outcome may have put there
create or replace function sync.expect_echo(inout l sync.link, p_fields text[], p_open boolean) language plpgsql as $$
declare
  v_open  jsonb := l.unechoed -> l.revision::text;
  v_known jsonb := (
    select coalesce(jsonb_object_agg(f, coalesce(v_open -> 'known' -> f, '[]')
                                        || jsonb_build_array(coalesce(l.remote_base -> f, 'null'))
                                        || case when l.in_flight_op = 'update' and l.in_flight ? f
                                                then jsonb_build_array(l.in_flight -> f) else '[]' end), '{}')
      from unnest(p_fields) f where l.in_flight_op is distinct from 'create');
begin
  l.unechoed := coalesce(l.unechoed, '{}') || jsonb_build_object(l.revision, jsonb_build_object('open', p_open, 'known', v_known));
  -- An event may never come: the write changed nothing there, or the remote sends no keys. The newest fifty are
  -- remembered, fewer where they are large.
  l.unechoed := (select jsonb_object_agg(u.key, u.value)
                   from (select w.*, row_number() over newest as n, sum(length(w.value::text)) over newest as size
                           from jsonb_each(l.unechoed) w window newest as (order by w.key::bigint desc)) u
                  where u.n = 1 or u.n <= 50 and u.size <= 100000);
end $$;

-- Takes note that the event of a write of ours has come. If the write replaced what nobody knew of, somebody edited the
-- field in the remote while we wrote: a conflict like any other. Where the remote's edit wins, the hub takes it, and
-- sends it back.
create or replace function sync.take_echo(
  inout l sync.link, p_revision text, p_remote jsonb, p_previous jsonb, p_policy text) language plpgsql as $$
declare
  v_known    jsonb := l.unechoed -> p_revision -> 'known';
  v_record   jsonb;
  v_field    text;
  v_replaced jsonb;
  v_late     jsonb;
  v_standing boolean;
  v_winner   text;
  v_take     jsonb := '{}';
begin
  -- What this one put there, as the remote spells it, the next ones knew of.
  l.unechoed := (
    select jsonb_object_agg(w.key, jsonb_set(w.value, '{known}', (
             select coalesce(jsonb_object_agg(k.key, case when w.key::bigint > p_revision::bigint and v_known ? k.key
                                                          then k.value || jsonb_build_array(p_remote -> k.key) else k.value end), '{}')
               from jsonb_each(w.value -> 'known') k)))
      from jsonb_each(l.unechoed) w where w.key <> p_revision);
  for v_field in select jsonb_object_keys(v_known) where p_previous is not null loop
    v_replaced := coalesce(p_previous -> v_field, 'null');
    continue when v_replaced = coalesce(p_remote -> v_field, 'null')
               or v_replaced in (select jsonb_array_elements(v_known -> v_field));
    v_record := coalesce(v_record, sync.read(l.entity, l.record_id, true));
    v_standing := sync.stands(l, v_record, v_field, p_remote);
    v_late := l.late_edits -> v_field;
    v_winner := case when not v_standing or p_policy = 'newest' and v_late -> 'value' is distinct from v_replaced then 'hub'
                     else sync.winner(p_policy, l.entity, v_record, to_timestamp((v_late ->> 'at')::float8)) end;
    insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
         values (l.system, l.entity, l.record_id, v_field, v_known -> v_field -> 0, p_remote -> v_field, v_replaced, v_winner,
                 'edited there while we wrote, policy ' || p_policy);
    if v_winner = 'remote' then
      v_take := v_take || jsonb_build_object(v_field, v_replaced);
    end if;
  end loop;
  if l.unechoed is null then
    l.late_edits := null;
  end if;
  if v_take <> '{}' then
    perform sync.write('', l.entity, v_take, l.record_id);
  end if;
end $$;

-- Whether what we wrote to a field still stands on both sides.
create or replace function sync.stands(l sync.link, p_record jsonb, p_field text, p_written jsonb) returns boolean language sql immutable as $$
  select p_record is not null
     and coalesce(p_record -> p_field, 'null') = coalesce(l.hub_base -> p_field, 'null')
     and coalesce(l.remote_base -> p_field, 'null') = coalesce(p_written -> p_field, 'null');
$$;

-- An edit in the remote that is told of too late to be merged. It may be one that a write of ours has replaced: its time
-- then decides who should have won. Whether it is one, only the event of our write knows, which comes later, or was here.
create or replace function sync.note_late_edit(
  inout l sync.link, p_remote jsonb, p_edited text[], p_at timestamptz, p_policy text) language plpgsql as $$
declare
  v_record   jsonb;
  v_conflict sync.conflict;
  v_late     jsonb;
begin
  if l.unechoed is not null then
    select jsonb_object_agg(f, jsonb_build_object('value', coalesce(p_remote -> f, 'null'), 'at', extract(epoch from p_at)))
      into v_late from unnest(p_edited) f
     where coalesce((l.late_edits -> f ->> 'at')::float8, 0) <= extract(epoch from p_at);
    l.late_edits := coalesce(l.late_edits, '{}') || coalesce(v_late, '{}');
  end if;
  if p_policy = 'newest' then
    for v_conflict in
      select * from sync.conflict c
       where c.entity = l.entity and c.record_id = l.record_id and c.system = l.system and c.field = any (p_edited)
         and c.winner = 'hub' and c.remote = coalesce(p_remote -> c.field, 'null') and c.reason = 'edited there while we wrote, policy newest'
    loop
      v_record := coalesce(v_record, sync.read(l.entity, l.record_id, true));
      if sync.stands(l, v_record, v_conflict.field, jsonb_build_object(v_conflict.field, v_conflict.local))
         and sync.winner(p_policy, l.entity, v_record, p_at) = 'remote' then
        update sync.conflict set winner = 'remote' where id = v_conflict.id;
        perform sync.write('', l.entity, jsonb_build_object(v_conflict.field, v_conflict.remote), l.record_id);
      end if;
    end loop;
  end if;
end $$;

-- The record is gone, and nothing that comes late brings it back. p_by: hub when that is where it was deleted; else the
-- system, and the hub's record follows, with values that were edited there meanwhile kept in sync.conflict.
create or replace function sync.bury(inout l sync.link, p_external_id text, p_fields text[], p_by text) language plpgsql as $$
declare
  v_record jsonb;
  v_base   jsonb := case l.in_flight_op when 'create' then l.in_flight else l.hub_base end;
begin
  if p_by <> 'hub' then
    v_record := sync.read(l.entity, l.record_id, true);
    insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
    select l.system, l.entity, l.record_id, f, v_base -> f, v_record -> f, null, 'remote',
           'deleted in ' || l.system || ', edited in the hub'
      from unnest(sync.moved(v_base, v_record, p_fields)) f
     where v_record is not null;
    perform sync.erase(l.system, l.entity, l.record_id);
  end if;
  insert into sync.tombstone (system, entity, external_id, record_id)
       values (l.system, l.entity, coalesce(p_external_id, l.external_id), l.record_id)
  on conflict do nothing;
  l.external_id  := coalesce(p_external_id, l.external_id);
  l.deleted_at   := now();
  l.deleted_by   := p_by;
  l.revision     := l.revision + 1;
  l.look_at      := null;
  l.lease_token  := null;
  l.lease_until  := null;
  l.in_flight_op := null;
  l.in_flight    := null;
  delete from sync.failure f where f.system = l.system and f.entity = l.entity and f.record_id = l.record_id;
end $$;

create or replace function sync.save(l sync.link) returns void language plpgsql as $$
begin
  update sync.link t
     set external_id = l.external_id, hub_base = l.hub_base, remote_base = l.remote_base, unechoed = l.unechoed,
         late_edits = l.late_edits, last_event_at = l.last_event_at, in_chain = l.in_chain, look_at = l.look_at,
         revision = l.revision, lease_token = l.lease_token, lease_until = l.lease_until, touched = l.touched,
         in_flight_op = l.in_flight_op, in_flight = l.in_flight, in_flight_base = case l.in_flight_op when 'update' then l.in_flight_base end,
         deleted_at = l.deleted_at, deleted_by = l.deleted_by
   where t.system = l.system and t.entity = l.entity and t.record_id = l.record_id;
end $$;

-- What every idempotency key of a record begins with; its revision and a hash of the request follow.
create or replace function sync.key_prefix(p_entity text, p_record_id text) returns text language sql immutable as $$
  select format('bactrian:%s:%s:', p_entity, case when length(p_record_id) > 64 then md5(p_record_id) else p_record_id end);
$$;

-- Takes a record for one outbound write.
--
-- p_fields: the columns that this system syncs; p_lease: longer than a call may take.
-- action: none      nothing to do
--         busy      somebody else holds the record; they will look again
--         create    send record            (base is null)
--         update    send what differs between record and base, both whole records
--         delete    delete external_id
--         fetch     read external_id and settle with what it says
-- Every action but none and busy must end in sync.settle or sync.fail with the token. key_prefix begins the idempotency key.
create or replace function sync.claim(p_system text, p_entity text, p_record_id text, p_fields text[], p_lease interval)
returns table (action text, token bigint, external_id text, key_prefix text, record jsonb, base jsonb) language plpgsql
  set timezone = 'UTC' as $$
declare
  l           sync.link;
  v_record    jsonb;
  v_base      jsonb;
  v_moved     text[];
  v_in_flight jsonb;
begin
  if not sync.tracked(p_entity) then
    action := 'none'; -- a message from before sync.untrack
    return next;
    return;
  end if;
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if not found then
    if sync.read(p_entity, p_record_id) is null then
      action := 'none';
      return next;
      return;
    end if;
    insert into sync.link (system, entity, record_id) values (p_system, p_entity, p_record_id) on conflict do nothing;
    select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  end if;

  if l.lease_until > clock_timestamp() then
    update sync.link t set touched = true where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    action := 'busy';
    return next;
    return;
  end if;

  v_record := sync.read(p_entity, p_record_id); -- not before the link is ours: who held it may have changed the record
  record := v_record;
  if l.deleted_at is not null then
    if v_record is null then
      action := 'none';
    else
      -- Somebody gave a new record the id of one that is gone. It is a new object; the tombstone of the old one stays.
      l.external_id := null;
      l.hub_base := null;
      l.remote_base := null;
      l.unechoed := null;
      l.late_edits := null;
      l.last_event_at := null;
      l.deleted_at := null;
      l.deleted_by := null;
      action := 'create';
    end if;
  elsif l.in_flight_op = 'create' then
    -- A create whose outcome nobody knows: the very same request again, whatever the record is now, so that the
    -- idempotency key finds the object that may exist already. What changed since goes out after it.
    action := 'create';
    record := l.in_flight;
  elsif l.external_id is null then
    action := case when v_record is null then 'none' else 'create' end;
  elsif l.in_flight_op = 'delete' then
    action := 'delete'; -- of unknown outcome: finished first, even if the id has a new record meanwhile
    record := null;
  elsif (l.look_at is not null or l.in_flight_op = 'fetch') and l.in_flight_op is distinct from 'update' then
    action := 'fetch'; -- even if the record is gone: what was edited there is kept
    l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
  elsif v_record is null then
    action := 'delete';
  else
    v_base := sync.pick(l.hub_base, sync.moved(l.hub_base, v_record, p_fields));
    if l.in_flight_op = 'update' then
      -- An update whose outcome nobody knows. Where the record still says what was sent, it is sent again; where it
      -- says something else, that goes out, and compares to what was sent.
      v_base := v_base || (select jsonb_object_agg(f.key, case when f.value = coalesce(v_record -> f.key, 'null')
                                                               then l.in_flight_base -> f.key else f.value end)
                             from jsonb_each(l.in_flight) f);
    end if;
    v_moved := array(select jsonb_object_keys(v_base));
    base := v_record || v_base;
    action := case when v_base = '{}' then 'none' else 'update' end;
  end if;

  if action = 'none' then
    delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';
    return next;
    return;
  end if;

  v_in_flight := case action when 'create' then record
                             when 'update' then sync.pick(v_record, v_moved)
                             when 'fetch'  then jsonb_build_object('edited_at', l.look_at) end;
  if action = 'fetch' then
    l.look_at := null; -- an event that comes while we read asks for another look
  elsif (l.in_flight_op, l.in_flight) is distinct from (action, v_in_flight) then
    -- Another request than the one whose outcome is unknown needs another key: that one's answer may be stored.
    if action = 'update' then
      if l.in_flight_op = 'update' then
        l.unechoed := l.unechoed || jsonb_build_object(l.revision + 1, l.unechoed -> l.revision::text);
      end if;
      if l.in_flight_op is not null then
        l.revision := l.revision + 1;
      end if;
      l := sync.expect_echo(l, v_moved, true);
    elsif l.in_flight_op is not null then
      l.revision := l.revision + 1;
    end if;
  end if;
  l.lease_token := nextval('sync.lease_token');
  l.lease_until := clock_timestamp() + p_lease;
  l.touched := false;
  l.in_flight_op := action;
  l.in_flight := v_in_flight;
  l.in_flight_base := v_base;
  perform sync.save(l);

  token := l.lease_token;
  external_id := l.external_id;
  key_prefix := sync.key_prefix(p_entity, p_record_id) || l.revision;
  return next;
end $$;

-- Ends a claim that reached the other system.
--
-- p_remote: the object's state there in canonical form; null when it is gone (deleted by us, or by somebody else);
-- p_at: the other system's clock at that state; p_stale: the state is that of an earlier answer (a replayed one).
-- Returns settled; gone; look: an update met no object, so that it is read before anything is believed; failed: the
-- answer does not fit the hub (kept in sync.failure); lost: the lease was lost meanwhile, nothing is changed, and the
-- record is looked at again.
create or replace function sync.settle(
  p_system text, p_entity text, p_record_id text, p_token bigint, p_external_id text,
  p_remote jsonb, p_at timestamptz, p_stale boolean, p_fields text[], p_policy text) returns text language plpgsql
  set lock_timeout = '5s' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  l         sync.link;
  v_op      text;
  v_sent    text[];
  v_outcome text := 'settled';
  v_merged  record;
  v_state   jsonb;
  v_record  jsonb;
begin
  if p_external_id is not null then
    perform sync.lock_external(p_system, p_entity, p_external_id);
  end if;
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if not found or l.lease_token is distinct from p_token then
    perform sync.poke(p_entity, p_record_id, p_system);
    return 'lost';
  end if;
  v_op := l.in_flight_op;
  delete from sync.failure f
   where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';

  if p_remote is null and v_op = 'update' then
    l.look_at := coalesce(l.look_at, p_at, clock_timestamp());
    l.unechoed := nullif(l.unechoed - l.revision::text, '{}');
    l.revision := l.revision + 1;
    l.in_flight_op := null;
    l.in_flight := null;
    v_outcome := 'look';
  elsif p_remote is null or exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity
                                       and t.external_id = coalesce(p_external_id, l.external_id)) then
    begin
      l := sync.bury(l, p_external_id, p_fields, case v_op when 'delete' then 'hub' else p_system end);
      v_outcome := 'gone';
    exception when others then
      perform sync.keep_failure(p_system, p_entity, p_record_id, sqlstate, sqlerrm, null);
      l.in_flight_op := null;
      l.in_flight := null;
      v_outcome := 'failed';
    end;
  elsif v_op in ('create', 'update') then
    v_sent := case v_op when 'update' then array(select jsonb_object_keys(l.in_flight)) end;
    l := sync.advance(l, p_external_id, p_remote, p_at, p_fields);
    if p_stale then
      l.look_at := greatest(l.look_at, p_at);
    elsif v_op = 'update' and l.look_at is null then
      -- The fields that were sent are settled; the answer also tells what others did to the rest meanwhile.
      v_state := p_remote || sync.pick(l.remote_base, v_sent);
    end if;
  elsif v_op = 'fetch' then
    v_state := p_remote;
  elsif p_external_id <> l.external_id then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'in', true, '23505',
      format('record %s has two objects in %s: %s is linked, %s is not', p_record_id, p_system, l.external_id, p_external_id), null, null);
    v_outcome := 'failed';
  end if; -- else the echo of our write came before its answer, and said the same

  if v_state is not null then
    begin
      v_merged := sync.merge(l, v_state, case v_op when 'fetch' then (l.in_flight ->> 'edited_at')::timestamptz else p_at end,
                             p_fields, p_policy);
      l := v_merged.l;
      l.last_event_at := greatest(l.last_event_at, p_at);
      l.in_chain := false;
      delete from sync.failure f
       where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'in';
    exception when others then
      perform sync.keep_failure(p_system, p_entity, p_record_id, sqlstate, sqlerrm, null);
      v_outcome := 'failed';
    end;
    if v_op = 'fetch' then
      l.in_flight_op := null;
      l.in_flight := null;
    end if;
  end if;

  l.lease_token := null;
  l.lease_until := null;
  perform sync.save(l);
  v_record := sync.read(p_entity, p_record_id);
  if l.touched
     or l.deleted_at is not null and v_record is not null
     or l.deleted_at is null and v_outcome <> 'failed' -- a person's turn, or the next change's
        and (l.look_at is not null or v_record is null or sync.moved(l.hub_base, v_record, p_fields) <> '{}') then
    perform sync.poke(p_entity, p_record_id, p_system);
  end if;
  return v_outcome;
end $$;

-- Ends a claim whose call failed. The record waits in sync.failure; its next change tries again by itself.
--
-- p_refused: the other system said no for good: nothing was written there, and only a person or another change of the
-- record can mend it. Otherwise nobody knows what happened: the same request is repeated after a growing pause, or
-- after p_retry_after seconds if the system said so. p_key_spent: the answer is stored under the idempotency key, so
-- that only another key can bring another one. A create waits for its event first, which would tell that it was done.
create or replace function sync.fail(
  p_system text, p_entity text, p_record_id text, p_token bigint,
  p_refused boolean, p_key_spent boolean, p_code text, p_reason text, p_request_id text, p_retry_after numeric) returns text language plpgsql as $$
declare
  l             sync.link;
  v_look        boolean;
  v_retry_after numeric := p_retry_after;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if not found or l.lease_token is distinct from p_token then
    perform sync.poke(p_entity, p_record_id, p_system);
    return 'lost';
  end if;
  v_look := l.look_at is not null;
  l.lease_token := null;
  l.lease_until := null;
  if l.in_flight_op = 'fetch' then
    l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
  end if;
  if p_refused then
    l.in_flight_op := null;
    l.in_flight := null;
    l.unechoed := nullif(l.unechoed - l.revision::text, '{}');
    if l.external_id is not null and jsonb_path_exists(l.unechoed, '$.*.open ? (@ == true)') then
      l.look_at := coalesce(l.look_at, clock_timestamp()); -- an earlier write of unknown outcome is not covered by this one
    end if;
    l.revision := l.revision + 1; -- an answer is stored under its key: the next try needs a new one
  elsif p_key_spent then
    if l.in_flight_op = 'update' then
      l.unechoed := l.unechoed || jsonb_build_object(l.revision + 1, l.unechoed -> l.revision::text);
    end if;
    l.revision := l.revision + 1;
    v_retry_after := greatest(v_retry_after, case l.in_flight_op when 'create' then 10 end);
  end if;
  perform sync.save(l);
  perform sync.record_failure(p_system, p_entity, p_record_id, 'out', p_refused, p_code, p_reason, p_request_id, v_retry_after);
  if l.touched or p_refused and v_look then
    perform sync.poke(p_entity, p_record_id, p_system);
  end if;
  return case when p_refused then 'refused' else 'waiting' end;
end $$;

-- Pauses double from one second to five minutes, with up to a half of jitter.
create or replace function sync.record_failure(
  p_system text, p_entity text, p_record_id text, p_direction text,
  p_refused boolean, p_code text, p_reason text, p_request_id text, p_retry_after numeric) returns void language sql as $$
  insert into sync.failure as f (system, entity, record_id, direction, next_attempt_at, code, reason, request_id)
       values (p_system, p_entity, p_record_id, p_direction,
               case when not p_refused then clock_timestamp() + make_interval(secs => coalesce(p_retry_after::float8, 1 + random() / 2)) end,
               p_code, left(p_reason, 1000), p_request_id)
  on conflict (system, entity, record_id, direction) do update
     set attempts = f.attempts + 1, last_at = clock_timestamp(),
         next_attempt_at = case when not p_refused then clock_timestamp() + make_interval(secs =>
           coalesce(p_retry_after::float8, least(300, 2 ^ least(f.attempts, 10)) * (1 + random() / 2))) end,
         code = excluded.code, reason = excluded.reason, request_id = excluded.request_id;
$$;

-- Keeps why something that came in cannot be applied. What is ours to solve and may succeed next time is raised again:
-- nothing is stored then, and whoever called calls again. Called from exception handlers only.
create or replace function sync.keep_failure(
  p_system text, p_entity text, p_record_id text, p_sqlstate text, p_message text, p_request_id text) returns void language plpgsql as $$
begin
  if p_sqlstate in ('55P03', '40P01', '40001', '57014') or left(p_sqlstate, 2) in ('08', '53', '57', '58', 'XX') then
    raise exception '%', p_message using errcode = p_sqlstate;
  end if;
  perform sync.record_failure(p_system, p_entity, p_record_id, 'in', true, p_sqlstate,
                              case when left(p_sqlstate, 2) = '22' and p_sqlstate <> '22000'
                                   then regexp_replace(p_message, '"[^"]*"', '"…"', 'g') else p_message end, -- no personal data
                              p_request_id, null);
end $$;

-- Asks the systems concerned to look again at what waits: failures whose time has come, and leases whose holder died.
-- Returns how many. Several instances may call it at once.
create or replace function sync.retry_due() returns bigint language sql as $$
  with due as (
    update sync.failure f set next_attempt_at = clock_timestamp() + interval '10 minutes' -- unless its worker says otherwise
     where (f.system, f.entity, f.record_id, f.direction) in (
             select system, entity, record_id, direction from sync.failure
              where next_attempt_at <= clock_timestamp() order by next_attempt_at limit 500 for update skip locked)
    returning f.system, f.entity, f.record_id
  ), stranded as (
    update sync.link l set lease_token = null, lease_until = null, touched = false
     where (l.system, l.entity, l.record_id) in (
             select system, entity, record_id from sync.link
              where lease_until < clock_timestamp() order by lease_until limit 500 for update skip locked)
    returning l.system, l.entity, l.record_id
  )
  select count(sync.poke(entity, record_id, system)) from (select * from due union select * from stranded) waiting;
$$;

-- Applies one inbound event, once. All three are JSON in text form, because what is not JSON to Postgres is a failure
-- of this event and not of the call. p_event:
--
--   id           the event's id in its system
--   type         its type there, for the ledger
--   at           seconds since the epoch, by the system's clock
--   external_id  the object it is about
--   hub_id       the record that the object points to, if any: a hint, not an identity
--   key          the idempotency key of the request that caused it, if any
--   deleted      true when the object is gone
--
-- p_remote: the object in canonical form, null when it is gone; p_previous: the same before the event, if it tells;
-- p_error: why it could not be brought into canonical form, null if it could.
--
-- Returns what it came to: created, applied, conflict, unchanged, echo, deleted; duplicate; tombstone (late, about an
-- object that is gone); deferred (not to be trusted: a worker reads the object); failed (kept in sync.failure); ignored
-- (about an object without an id).
create or replace function sync.apply_inbound(
  p_system text, p_entity text, p_event text, p_remote text, p_previous text, p_error text, p_fields text[], p_policy text)
returns text language plpgsql set lock_timeout = '5s' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  e         jsonb := p_event::jsonb;
  v_outcome text;
begin
  if not sync.tracked(p_entity) then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  end if;
  perform sync.lock_external(p_system, p_entity, e ->> 'external_id');
  if exists (select from sync.event where system = p_system and event_id = e ->> 'id') then
    return 'duplicate';
  end if;
  begin
    if p_error is not null then
      raise exception '%', p_error using errcode = 'data_exception';
    end if;
    v_outcome := case when e ->> 'external_id' is null then 'ignored'
                      else sync.apply_event(p_system, p_entity, e, p_remote::jsonb, p_previous::jsonb, p_fields, p_policy) end;
  exception when others then
    v_outcome := 'failed';
    perform sync.keep_failure(p_system, p_entity,
      coalesce((select t.record_id from sync.link t
                 where t.system = p_system and t.entity = p_entity and t.external_id = e ->> 'external_id'),
               e ->> 'external_id', e ->> 'id'),
      sqlstate, sqlerrm, e ->> 'id');
  end;
  insert into sync.event (system, event_id, entity, type, created, external_id, outcome)
       values (p_system, e ->> 'id', p_entity, e ->> 'type', to_timestamp((e ->> 'at')::float8), e ->> 'external_id', v_outcome);
  return v_outcome;
end $$;

create or replace function sync.apply_event(
  p_system text, p_entity text, e jsonb, p_remote jsonb, p_previous jsonb, p_fields text[], p_policy text)
returns text language plpgsql as $$
declare
  v_external_id text        := e ->> 'external_id';
  v_at          timestamptz := to_timestamp((e ->> 'at')::float8);
  v_key         text        := e ->> 'key';
  v_hub_id      text        := e ->> 'hub_id';
  v_ours        boolean     := starts_with(coalesce(v_key, ''), 'bactrian:' || p_entity || ':');
  l             sync.link;
  v_linked      boolean;
  v_adopted     boolean := false;
  v_revision    text;
  v_open        boolean := true;
  v_edited      text[];
  v_news        text[];
  v_successor   boolean;
  v_merged      record;
  v_written     record;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.external_id = v_external_id for update;
  v_linked := found;

  if not v_linked and exists (
       select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = v_external_id) then
    return 'tombstone';
  end if;

  if (e ->> 'deleted')::boolean then
    if not v_linked then
      -- Whatever record it points to is not known to be its own. Should it be, the answer to our create finds the tombstone.
      insert into sync.tombstone (system, entity, external_id) values (p_system, p_entity, v_external_id);
    elsif l.deleted_at is not null then
      return 'tombstone';
    else
      l := sync.bury(l, v_external_id, p_fields, case l.in_flight_op when 'delete' then 'hub' else p_system end);
      perform sync.save(l);
      if l.deleted_by = 'hub' then
        perform sync.poke(p_entity, l.record_id, p_system); -- the id may have a new record
      end if;
    end if;
    return 'deleted';
  end if;

  if not v_linked then
    v_hub_id := sync.id(p_entity, v_hub_id); -- null when it is somebody else's
  end if;
  if not v_linked and v_hub_id is not null and sync.read(p_entity, v_hub_id) is not null then
    -- Not linked, but it points to a record: a create of ours whose answer has not come yet, or a hub that has lost its links.
    insert into sync.link (system, entity, record_id) values (p_system, p_entity, v_hub_id) on conflict do nothing;
  end if;
  if not v_linked and v_hub_id is not null then
    select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = v_hub_id for update;
    v_linked := found and l.external_id is null and l.deleted_at is null
                and (l.in_flight_op = 'create' or sync.read(p_entity, l.record_id) is not null);
  end if;

  if not v_linked and found and l.deleted_at is null and starts_with(coalesce(v_key, ''), sync.key_prefix(p_entity, l.record_id)) then
    raise exception 'record % has two objects in %: % is linked, % is not', l.record_id, p_system, l.external_id, v_external_id
      using errcode = 'unique_violation'; -- a create was repeated under another key after all; a person removes one
  end if;
  if not v_linked then
    -- Made in the other system. What it does not have is left to the table's defaults.
    select * into v_written
      from sync.write(p_system, p_entity,
                      coalesce((select jsonb_object_agg(f, p_remote -> f) from unnest(p_fields) f where p_remote -> f <> 'null'), '{}'), null);
    insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base, last_event_at, in_chain)
         values (p_system, p_entity, v_written.p_record_id, v_external_id, sync.pick(v_written.p_record, p_fields),
                 sync.pick(p_remote, p_fields), v_at, true);
    perform sync.forget_failure(p_system, p_entity, v_external_id);
    return 'created';
  end if;

  v_edited := sync.moved(coalesce(p_previous, l.remote_base), p_remote, p_fields);
  v_news := sync.moved(l.remote_base, p_remote, v_edited);

  if starts_with(coalesce(v_key, ''), sync.key_prefix(p_entity, l.record_id)) then
    v_revision := split_part(substr(v_key, length(sync.key_prefix(p_entity, l.record_id)) + 1), ':', 1);
  end if;

  if l.deleted_at is not null then
    -- The delete wins. What was edited before it and nobody has seen is kept.
    if l.unechoed ? v_revision then
      l := sync.take_echo(l, v_revision, p_remote, p_previous, p_policy);
      perform sync.save(l);
    end if;
    if l.deleted_by = 'hub' and not v_ours and v_news <> '{}' and v_at >= coalesce(l.last_event_at, v_at) then
      v_merged := sync.merge(l, p_remote, v_at, v_news, p_policy);
      l.remote_base := l.remote_base || (v_merged.l).remote_base;
      perform sync.save(l);
    end if;
    return 'tombstone';
  end if;

  if l.in_flight_op in ('create', 'update') and v_revision = l.revision::text
     or l.in_flight_op = 'create' and l.external_id is null and v_revision is not null
     or l.in_flight_op = 'create' and l.external_id is null and v_key is null and sync.moved(l.in_flight, p_remote, p_fields) = '{}' then
    -- The echo of our own write outran its answer: it is as good as the answer. Without a key it may be another's.
    if v_key is null then
      l.look_at := v_at;
    end if;
    v_revision := l.revision;
    l := sync.advance(l, v_external_id, p_remote, v_at, p_fields);
    l := sync.take_echo(l, v_revision, p_remote, p_previous, p_policy);
    perform sync.save(l);
    return 'echo';
  end if;
  if l.external_id is null and l.in_flight_op = 'create' then
    -- A later event outran the echo: the object exists, and somebody has edited it since. The answer will say what it was.
    l.look_at := greatest(l.look_at, v_at);
    perform sync.save(l);
    return 'deferred';
  end if;
  if l.external_id is null then
    l.external_id := v_external_id; -- never agreed on anything: merged without a base
    v_adopted := true;
  elsif l.unechoed ? v_revision then
    v_open := (l.unechoed -> v_revision ->> 'open')::boolean;
    l := sync.take_echo(l, v_revision, p_remote, p_previous, p_policy);
    if not v_open or v_at < l.last_event_at or v_news = '{}' then
      perform sync.save(l);
      return 'echo';
    end if;
  elsif v_at < l.last_event_at and v_news = '{}' or p_previous is not null and v_edited = '{}' then
    return case when v_ours then 'echo' else 'unchanged' end; -- what it tells is known, or is none of our fields
  elsif v_at < l.last_event_at and v_ours then
    return 'echo';
  end if;

  -- The direct successor of what we know is applied as it is, unless a write of ours to the same fields is under way. So
  -- is a later one, unless any write is.
  -- Everything else is a hint that something happened: a worker reads the object.
  v_successor := p_previous is not null and sync.moved(l.remote_base, p_previous, p_fields) = '{}';
  if v_adopted
     or not v_ours and l.in_flight_op is distinct from 'fetch'
        and (l.last_event_at is null
             or v_at > l.last_event_at and (v_successor or l.in_flight_op is null)
             or v_at = l.last_event_at and v_successor and l.in_chain)
        and not (l.in_flight_op is not null and l.in_flight ?| v_edited) then
    v_merged := sync.merge(l, p_remote, v_at, p_fields, p_policy);
    l := v_merged.l;
    l.in_chain := v_successor;
    l.last_event_at := v_at;
    if l.in_flight_op is not null then
      l.look_at := v_at; -- it seems to come before our write; only the object knows
    end if;
    perform sync.save(l);
    perform sync.forget_failure(p_system, p_entity, l.record_id);
    if (v_adopted or v_merged.outcome = 'conflict')
       and sync.moved(l.hub_base, sync.read(p_entity, l.record_id), p_fields) <> '{}' then
      perform sync.poke(p_entity, l.record_id, p_system);
    end if;
    return v_merged.outcome;
  end if;

  if v_news = '{}' and l.in_flight_op is null then
    l.in_chain := false; -- it told nothing new, but it was not the next event either
    perform sync.save(l);
    return case when v_ours then 'echo' else 'unchanged' end;
  end if;
  if sync.read(p_entity, l.record_id) is null and not v_ours then
    v_merged := sync.merge(l, p_remote, v_at, v_news, p_policy);
    l.remote_base := l.remote_base || (v_merged.l).remote_base;
    perform sync.save(l);
    return v_merged.outcome;
  end if;
  if p_previous is not null and not v_ours then
    l := sync.note_late_edit(l, p_remote, v_edited, v_at, p_policy);
  end if;
  l.look_at := greatest(l.look_at, v_at);
  perform sync.save(l);
  perform sync.poke(p_entity, l.record_id, p_system);
  return 'deferred';
end $$;

-- What came in fits again.
create or replace function sync.forget_failure(p_system text, p_entity text, p_record_id text) returns void language sql as $$
  delete from sync.failure where system = p_system and entity = p_entity and record_id = p_record_id and direction = 'in';
$$;

-- Forgets inbound events that no sender repeats any more.
create or replace function sync.prune(p_keep interval) returns bigint language sql as $$
  with gone as (delete from sync.event where received_at < now() - p_keep returning 1) select count(*) from gone;
$$;
