-- What comes in: events, each applied once. One round trip for those that come at once, generic over system and entity.
-- Repeatable: every statement replaces what is there.

-- Applies one inbound event, once. All three are JSON in text form, because what is not JSON to Postgres is a failure
-- of this event and not of the call. p_event:
--
--   id           the event's id in its system
--   type         its type there, for the ledger
--   at           seconds since the epoch, by the system's clock
--   external_id  the object it is about
--   hub_id       the record that the object points to, if any: a hint, not an identity
--   hub          the installation whose record that is, if it says so: only ours counts, see sync.pointer
--   key          the idempotency key of the request that caused it, if any
--   deleted      true when the object is gone
--   made         seconds since the epoch, when the object was made, if the event tells. A record of an object that is a day
--                older than the event, or that a reconcile found, is an import: it is new here only
--   hint         true when it only says that something happened, and p_remote is null: the object is read; object: its kind there
--   partial      true when it does not tell the object whole: what p_remote leaves out is as it was; look: true when that may have changed, too,
--                and is to be read. An object without a record here is only a hint then
--   read         true when that was done, and p_remote is what was read
--
-- p_remote: the object in canonical form, null when it is gone; p_previous: the same before the event, if it tells;
-- p_error: why it could not be brought into canonical form, null if it could. Once that is mended, its object is read.
--
-- p_remote and p_previous name other objects, and the object's parts, as their system does: see sync.internal.
--
-- Returns what it came to: created, applied, conflict, unchanged, echo, deleted; duplicate; tombstone (late, about an
-- object that is gone); hint and deferred (not to be trusted: a worker reads the object); failed (kept in sync.failure); held (its
-- system is paused, or the table cannot be seen: sync.release_events applies it); delete_held (it waits for a person); waiting (it refers to
-- an object that the hub does not have yet: the same applies it then); ignored (about an object without an id); foreign
-- (about an object that points into another installation, or names none: no record is made of it, see sync.foreign_object).
create or replace function sync.apply_inbound(
  p_system text, p_entity text, p_event text, p_remote text, p_previous text, p_error text, p_fields text[], p_policy text)
returns text language plpgsql set lock_timeout = '5s' set timezone = 'UTC' set enable_seqscan = off as $$
begin
  return sync.apply_one(p_system, p_entity, p_event, p_remote, p_previous, p_error, p_fields, p_policy);
end $$;

-- Applies inbound events, each of them an element of all arrays, in that order, and each by itself: what Postgres does not take is told by its SQLSTATE
-- and message, in the place of an outcome. p_patience: how long each may wait for a lock. Several hold many locks together: with a patience far shorter
-- than Postgres takes to find a deadlock, they are no part of one; which of them did not get its lock is told, and may be repeated alone. p_fields:
-- comma-separated.
create or replace function sync.apply_events(
  p_systems text[], p_entities text[], p_events text[], p_remotes text[], p_previous text[], p_errors text[], p_fields text[], p_policies text[],
  p_patience text)
returns table (outcome text, code text, message text) language plpgsql
set timezone = 'UTC' set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
  perform set_config('lock_timeout', p_patience, true);
  for i in 1..cardinality(p_events) loop
    outcome := null;
    code := null;
    message := null;
    begin
      outcome := sync.apply_one(p_systems[i], p_entities[i], p_events[i], p_remotes[i], p_previous[i], p_errors[i],
                                string_to_array(p_fields[i], ','), p_policies[i]);
    exception when others then
      code := sqlstate;
      message := sqlerrm;
      if code = '55P03' and cardinality(p_events) > 1 then
        perform set_config('lock_timeout', '1ms', true); -- the others have waited enough
      end if;
    end;
    return next;
  end loop;
end $$;

-- An event as a hint that something happened to its object.
create or replace function sync.as_hint(p_event text) returns text language plpgsql immutable as $$
begin
  return (p_event::jsonb - array['partial', 'look', 'read'] || '{"hint": true}')::text;
end $$;

-- An event, to be applied again. Of one that could not be mapped the object is read, and mapped anew.
create or replace function sync.as_it_came(p_event text, p_remote text, p_previous text, p_error text, p_fields text[], p_policy text) returns jsonb
language plpgsql immutable as $$
begin
  if p_error is not null then
    return jsonb_build_object('event', sync.as_hint(p_event), 'fields', p_fields, 'policy', p_policy);
  end if;
  return jsonb_build_object('event', p_event, 'remote', p_remote, 'previous', p_previous, 'fields', p_fields, 'policy', p_policy);
end $$;

create or replace function sync.apply_one(
  p_system text, p_entity text, p_event text, p_remote text, p_previous text, p_error text, p_fields text[], p_policy text)
returns text language plpgsql as $$
declare
  e           jsonb := p_event::jsonb;
  v_outcome   text;
  v_waits_for text;
  v_record_id text;
  v_unread    boolean := false;
begin
  if not sync.tracked(p_entity) then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  end if;
  perform sync.lock_external(p_system, p_entity, e ->> 'external_id');
  if (e ->> 'read')::boolean then
    delete from sync.event where system = p_system and event_id = e ->> 'id' and outcome = 'hint'; -- it was a hint, and its object has been read
  end if;
  if exists (select from sync.event where system = p_system and event_id = e ->> 'id') then
    return 'duplicate';
  end if;
  if sync.is_paused_in(p_system) or sync.is_blocked(p_system, p_entity) then
    insert into sync.event (system, event_id, entity, type, created, external_id, outcome, held)
         values (p_system, e ->> 'id', p_entity, e ->> 'type', to_timestamp((e ->> 'at')::float8), e ->> 'external_id', 'held',
                 sync.as_it_came(p_event, p_remote, p_previous, p_error, p_fields, p_policy));
    return 'held';
  end if;
  begin
    if p_error is not null then
      raise exception '%', p_error using errcode = 'data_exception';
    end if;
    if (e ->> 'read')::boolean then
      perform sync.open_scope(p_system, p_entity, 'in');
    end if;
    if (e ->> 'hint')::boolean and e ->> 'external_id' is not null then
      select h.p_outcome, h.p_unread into v_outcome, v_unread from sync.take_hint(p_system, p_entity, e) h;
    else
      v_outcome := case when e ->> 'external_id' is null then 'ignored'
                        else sync.apply_event(p_system, p_entity, e, p_remote::jsonb, p_previous::jsonb, p_fields, p_policy) end;
    end if;
    if v_outcome = 'hint' and (e ->> 'partial')::boolean then
      v_unread := true;
      p_event := sync.as_hint(p_event);
      p_remote := null;
      p_previous := null;
    elsif (e ->> 'look')::boolean and v_outcome not in ('ignored', 'foreign', 'tombstone') then
      perform sync.take_hint(p_system, p_entity, e);
    end if;
  exception when sqlstate 'BA001' then
    if sync.is_foreign(p_system, sqlerrm)
       and not exists (select from sync.link t where t.system = p_system and t.entity = p_entity and t.external_id = e ->> 'external_id') then
      v_outcome := 'foreign'; -- an invoice, say, of another installation's customer
      perform sync.note_foreign(p_system, p_entity, e ->> 'external_id', null, null);
    else
      v_outcome := 'waiting';
      v_waits_for := sqlerrm;
      perform sync.record_failure(p_system, p_entity,
        coalesce((select t.record_id from sync.link t
                   where t.system = p_system and t.entity = p_entity and t.external_id = e ->> 'external_id'), e ->> 'external_id'),
        'in', 'permanent', 'reference',
        format('it refers to %s, which is not in the hub yet: it is applied as soon as that is, or a heal of %s finds that it is gone',
               replace(v_waits_for, '/', ' '), split_part(v_waits_for, '/', 1)), e ->> 'id', null);
    end if;
  when others then
    if sqlstate in ('42501', '42703', '42P01', 'BA002') and sync.block(p_system, p_entity) then
      v_outcome := 'held'; -- no fault of the event
    else
      v_outcome := 'failed';
      perform sync.keep_failure(p_system, p_entity,
        coalesce((select t.record_id from sync.link t
                   where t.system = p_system and t.entity = p_entity and t.external_id = e ->> 'external_id'),
                 e ->> 'external_id', e ->> 'id'),
        sqlstate, sqlerrm, e ->> 'id');
    end if;
  end;
  insert into sync.event (system, event_id, entity, type, created, external_id, outcome, held, waits_for, try_at)
       values (p_system, e ->> 'id', p_entity, e ->> 'type', to_timestamp((e ->> 'at')::float8), e ->> 'external_id', v_outcome,
               case when v_outcome in ('failed', 'waiting', 'held') or v_unread then sync.as_it_came(p_event, p_remote, p_previous, p_error, p_fields, p_policy) end,
               v_waits_for, case when v_outcome = 'waiting' then clock_timestamp() + interval '1 second' end);
  select t.record_id into v_record_id from sync.link t
   where t.system = p_system and t.entity = p_entity and t.external_id = e ->> 'external_id';
  if found then
    perform sync.note(p_entity, v_record_id, p_system, 'event',
      format('%s from %s: ', e ->> 'type', p_system) || case v_outcome
        when 'created'   then 'a new record'
        when 'applied'   then 'applied'
        when 'conflict'  then 'both sides had edited one field: see sync.conflict'
        when 'unchanged' then 'nothing new'
        when 'echo'      then 'the echo of our own write'
        when 'deleted'   then 'deleted'
        when 'tombstone' then 'too late, it is gone'
        when 'hint'      then 'it says only that something happened, the object is read'
        when 'deferred'  then 'not trusted by itself, the object is read'
        when 'waiting'   then 'it waits for what it refers to'
        when 'delete_held' then 'its deletion waits for a person'
        else v_outcome end,
      jsonb_build_object('event_id', e ->> 'id', 'request_id', e ->> 'request', 'external_id', e ->> 'external_id', 'seconds_late',
                         (extract(epoch from clock_timestamp()) - (e ->> 'at')::float8)::numeric(12, 1)));
  end if;
  return v_outcome;
end $$;

-- Applies a stored event as if it came now.
create or replace function sync.apply_again(p_system text, p_event_id text) returns text language plpgsql set timezone = 'UTC' as $$
declare
  v sync.event;
begin
  delete from sync.event where system = p_system and event_id = p_event_id and held is not null returning * into v;
  if not found then
    return 'not kept';
  end if;
  delete from sync.failure f
   where v.waits_for is not null and f.system = p_system and f.entity = v.entity and f.direction = 'in' and f.code = 'reference'
     and f.record_id in (v.external_id, (select l.record_id from sync.link l where l.system = p_system and l.entity = v.entity and l.external_id = v.external_id));
  return sync.apply_one(v.system, v.entity, v.held ->> 'event', v.held ->> 'remote', v.held ->> 'previous', v.held ->> 'error', -- an older version kept one
                            array(select jsonb_array_elements_text(v.held -> 'fields')), v.held ->> 'policy');
end $$;

-- Applies events that are held, oldest first: they came while their system was paused, or waited for an object which the hub now has, be it their
-- own. Returns how many; call it until there are none. Kinds that may not be applied now are left out as a whole, so that they cost nothing, however
-- many they are. One about a row that somebody has locked is left for the next call: as it holds many rows, it waits for none, or somebody who
-- edits several would be in a deadlock with it.
create or replace function sync.release_events(p_limit integer) returns bigint language plpgsql set enable_seqscan = off set lock_timeout = '1ms' as $$
declare
  v       record;
  v_count bigint := 0;
  v_begun timestamptz := clock_timestamp();
begin
  for v in
    with recursive kind (system, entity) as (
      (select e.system, e.entity from sync.event e where e.outcome = 'held' order by e.system, e.entity limit 1)
      union all
      select n.system, n.entity
        from kind k cross join lateral (
          select e.system, e.entity from sync.event e
           where e.outcome = 'held' and (e.system, e.entity) > (k.system, k.entity) order by e.system, e.entity limit 1) n
    ), open as materialized (
      select k.system, k.entity from kind k
       where sync.tracked(k.entity) and not sync.is_paused_in(k.system) and not sync.is_blocked(k.system, k.entity))
    select h.system, h.event_id
      from open o cross join lateral (
        select e.system, e.event_id, e.created, e.received_at from sync.event e
         where e.outcome = 'held' and e.system = o.system and e.entity = o.entity
         order by e.created, e.received_at limit p_limit for update skip locked) h
     order by h.created, h.received_at limit p_limit
  loop
    begin
      perform sync.apply_again(v.system, v.event_id);
      v_count := v_count + 1;
    exception when lock_not_available or deadlock_detected then
      exit when clock_timestamp() > v_begun + interval '10 seconds';
    end;
  end loop;
  return v_count;
end $$;

-- An object is known from now on: it has a record (a link), is gone (a tombstone), or is another installation's. Events that wait for it, or that are about
-- it and wait, are applied next. One that somebody else has locked is left to sync.look_for_awaited.
create or replace function sync.note_known() returns trigger language plpgsql as $$
begin
  update sync.event set outcome = 'held'
   where (system, event_id) in (
           select e.system, e.event_id from sync.event e
            where e.waits_for = new.entity || '/' || new.external_id and e.system = new.system and e.outcome = 'waiting' for update skip locked);
  update sync.event set outcome = 'held'
   where (system, event_id) in (
           select e.system, e.event_id from sync.event e
            where e.external_id = new.external_id and e.entity = new.entity and e.system = new.system and e.held is not null
              and e.outcome in ('hint', 'waiting') for update skip locked);
  return null;
end $$;

create or replace trigger note_known_link after insert on sync.link
  for each row when (new.external_id is not null) execute function sync.note_known();
create or replace trigger note_known_object after update of external_id on sync.link
  for each row when (new.external_id is distinct from old.external_id and new.external_id is not null) execute function sync.note_known();
create or replace trigger note_known_gone after insert on sync.tombstone for each row execute function sync.note_known();
create or replace trigger note_known_foreign after insert on sync.foreign_object for each row execute function sync.note_known();

-- An object is gone: of what came about it and did not fit nothing is of use any more.
create or replace function sync.note_gone() returns trigger language plpgsql as $$
begin
  update sync.event e set held = null
   where e.external_id = new.external_id and e.entity = new.entity and e.system = new.system and e.held is not null and e.outcome = 'failed';
  return null;
end $$;

create or replace trigger note_gone after insert on sync.tombstone for each row execute function sync.note_gone();

-- Whether an object, entity/external id, has a record here, or had one, or is not to have one.
create or replace function sync.is_known(p_system text, p_object text) returns boolean language sql stable as $$
  select exists (select from sync.link l
                  where l.system = p_system and l.entity = split_part(p_object, '/', 1) and l.external_id = substr(p_object, strpos(p_object, '/') + 1))
      or exists (select from sync.tombstone t
                  where t.system = p_system and t.entity = split_part(p_object, '/', 1) and t.external_id = substr(p_object, strpos(p_object, '/') + 1))
      or exists (select from sync.foreign_object f
                  where f.system = p_system and f.entity = split_part(p_object, '/', 1) and f.external_id = substr(p_object, strpos(p_object, '/') + 1));
$$;

-- Looks whether what events wait for has come, after pauses that double from one second to ten minutes: whoever brings it does not see an event that is
-- being stored at the same moment.
create or replace function sync.look_for_awaited(p_limit integer) returns void language sql as $$
  update sync.event
     set outcome = case when sync.is_known(system, waits_for) then 'held' else outcome end, tries = tries + 1,
         try_at = clock_timestamp() + make_interval(secs => least(600, 2 ^ least(tries, 10)))
   where (system, event_id) in (
           select e.system, e.event_id from sync.event e
            where e.outcome = 'waiting' and e.try_at <= clock_timestamp() order by e.try_at limit p_limit for update skip locked);
$$;

create or replace function sync.apply_event(
  p_system text, p_entity text, e jsonb, p_remote jsonb, p_previous jsonb, p_fields text[], p_policy text)
returns text language plpgsql as $$
declare
  v_external_id text        := e ->> 'external_id';
  v_at          timestamptz := to_timestamp((e ->> 'at')::float8);
  v_key         text        := e ->> 'key';
  v_hub_id      text        := e ->> 'hub_id';
  v_ours        boolean     := starts_with(coalesce(v_key, ''), format('bactrian:%s:%s:', sync.hub(), p_entity));
  v_pointer     text;
  l             sync.link;
  v_linked      boolean;
  v_adopted     boolean := false;
  v_revision    text;
  v_open        boolean := true;
  v_created     boolean;
  v_edited      text[];
  v_news        text[];
  v_successor   boolean;
  v_merged      record;
  v_written     record;
  v_known       jsonb;
  v_fields      text[] := p_fields;
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
      perform sync.forget_failure(p_system, p_entity, v_external_id);
      delete from sync.foreign_object f where f.system = p_system and f.entity = p_entity and f.external_id = v_external_id;
    elsif l.deleted_at is not null then
      return 'tombstone';
    else
      if l.in_flight_op = 'delete' then
        l := sync.bury(l, v_external_id, p_fields, 'hub');
      else
        l := sync.take_deletion(l, v_external_id, p_fields);
      end if;
      perform sync.save(l);
      if l.deletion = 'held_in' then
        return 'delete_held';
      end if;
      if l.deleted_by = 'hub' then
        perform sync.poke(p_entity, l.record_id, p_system); -- the id may have a new record
      end if;
    end if;
    return 'deleted';
  end if;

  if not v_linked then
    v_pointer := sync.pointer(p_entity, v_hub_id, e ->> 'hub');
    v_hub_id := sync.id(p_entity, v_hub_id); -- null when it is no id
    if v_pointer = 'unsaid' then
      -- Made by an older version: ours only if its request is known to have been.
      select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = v_hub_id;
      if starts_with(v_key, sync.key_prefix(p_entity, v_hub_id)) or l.in_flight_op = 'create' and sync.key_revision(l, v_key) is not null then
        v_pointer := 'ours';
      end if;
    end if;
    if v_pointer in ('other', 'unsaid') then
      perform sync.note_foreign(p_system, p_entity, v_external_id, e ->> 'hub', e ->> 'hub_id');
      return 'foreign';
    end if;
    delete from sync.foreign_object f where f.system = p_system and f.entity = p_entity and f.external_id = v_external_id;
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

  if not v_linked and l.record_id is not null and l.deleted_at is null and sync.key_revision(l, v_key) is not null then
    raise exception 'record % has two objects in %: % is linked, % is not', l.record_id, p_system, l.external_id, v_external_id
      using errcode = 'unique_violation'; -- a create was repeated under another key after all; a person removes one
  end if;
  if not v_linked then
    l := null;
  end if;
  if (e ->> 'partial')::boolean and (not v_linked or l.external_id is null and l.in_flight_op is distinct from 'create') then
    return 'hint'; -- nothing is known that could stand for what it leaves out
  end if;
  v_known := coalesce(l.remote_base, '{}') || coalesce(l.hub_base, '{}') || coalesce(l.in_flight, '{}');
  p_remote := sync.internal(p_system, p_entity, l.record_id, p_remote, v_known);
  p_previous := sync.internal(p_system, p_entity, l.record_id, p_previous, v_known || p_remote);
  if (e ->> 'partial')::boolean then
    -- What our own write sent and its event leaves out, was done.
    p_remote := coalesce(l.remote_base, l.in_flight, '{}')
                || case when l.in_flight_op = 'update' and sync.key_revision(l, v_key) = l.revision::text then l.in_flight else '{}' end || p_remote;
    p_previous := p_remote || p_previous;
  end if;
  p_remote := sync.keep_once(p_policy, p_remote, l.remote_base);
  p_previous := sync.keep_once(p_policy, p_previous, l.remote_base);
  p_fields := sync.fields(p_fields, l.hub_base, l.remote_base, l.in_flight, p_remote, p_previous);
  if not v_linked then
    -- Made in the other system. What it does not have is left to the table's defaults.
    perform set_config('sync.importing', case when e ->> 'type' = 'reconcile' or (e ->> 'made')::float8 < (e ->> 'at')::float8 - 86400
                                              then 'on' else 'off' end, true);
    select * into v_written
      from sync.write(p_system, p_entity,
                      coalesce((select jsonb_object_agg(f, p_remote -> f) from unnest(p_fields) f where p_remote -> f <> 'null'), '{}'), null);
    perform set_config('sync.importing', 'off', true);
    insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base, last_event_at, in_chain)
         values (p_system, p_entity, v_written.p_record_id, v_external_id, sync.pick(v_written.p_record, p_fields),
                 sync.pick(p_remote, p_fields), v_at, true)
    returning * into l;
    update sync.link p set whole = l.record_id
      from jsonb_object_keys(p_remote) k
     where k like '%/%' and p.system = p_system and p.entity = split_part(k, '/', 1) and p.record_id = substr(k, strpos(k, '/') + 1) and p.whole is null;
    perform sync.release(l);
    perform sync.forget_failure(p_system, p_entity, v_external_id);
    return 'created';
  end if;

  v_edited := sync.moved(coalesce(p_previous, l.remote_base), p_remote, p_fields);
  v_news := sync.moved(l.remote_base, p_remote, v_edited);

  v_revision := sync.key_revision(l, v_key);
  v_ours := v_ours or v_revision is not null;

  if l.deleted_at is not null then
    -- The delete wins. What was edited before it and nobody has seen is kept.
    if l.unechoed ? v_revision then
      l := sync.take_echo(l, v_revision, p_remote, p_previous, p_policy);
      perform sync.save(l);
    end if;
    if l.deleted_by = 'hub' and l.remote_base is not null and not v_ours and v_news <> '{}' and v_at >= coalesce(l.last_event_at, v_at) then
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
    if v_revision = l.revision::text then
      l := sync.made_anew(l);
    end if;
    v_revision := l.revision;
    v_created := l.in_flight_op = 'create';
    l := sync.advance(l, v_external_id, p_remote, v_at, p_fields, p_policy);
    if p_policy like '%:%' and sync.moved(l.remote_base, p_remote, p_fields) <> '{}' then -- what it brought besides: a number, a status
      if v_created and v_key is not null then
        v_merged := sync.merge(l, p_remote, v_at, p_fields, p_policy);
        l := v_merged.l;
      else
        l.look_at := v_at;
      end if;
    end if;
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
    perform sync.release(l);
  elsif l.unechoed ? v_revision then
    v_open := (l.unechoed -> v_revision ->> 'open')::boolean;
    l := sync.take_echo(l, v_revision, p_remote, p_previous, p_policy);
    if not v_open or v_at < l.last_event_at or v_news = '{}' then
      perform sync.save(l);
      return 'echo';
    end if;
  elsif v_at < l.last_event_at and v_news = '{}' or p_previous is not null and v_edited = '{}' then
    return case when v_ours then 'echo' else 'unchanged' end; -- what it tells is known, or is none of our fields
  elsif v_ours and (v_at < l.last_event_at or v_at = l.last_event_at and v_revision ~ '^[0-9]+$' and v_revision::bigint < l.revision) then
    return 'echo'; -- a write that ended is known, by its answer or by another event of it
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
    if exists (select from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = l.record_id and f.direction = 'out') then
      perform sync.poke(p_entity, l.record_id, p_system); -- what was refused may be mended by it
    elsif (v_adopted or v_merged.outcome = 'conflict')
       and sync.to_do(l, sync.read(p_entity, l.record_id), v_fields, p_policy) <> '{}' then
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

-- Forgets inbound events that no sender repeats any more. Not those that are still to be applied, however old they are: held, waiting, to be read, or failed for
-- what a person may mend.
create or replace function sync.prune(p_keep interval) returns bigint language sql as $$
  with gone as (
    delete from sync.event e
     where e.received_at < now() - p_keep
       and (e.held is null or e.outcome = 'failed' and not exists (
              select from sync.failure f
               where f.system = e.system and f.entity = e.entity and f.direction = 'in'
                 and f.record_id in (e.external_id, e.event_id, (select l.record_id from sync.link l
                       where l.system = e.system and l.entity = e.entity and l.external_id = e.external_id))))
    returning 1)
  select count(*) from gone;
$$;
