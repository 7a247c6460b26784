-- One outbound write at a time: claim a record, settle it, or say why not. Each is one round trip, and generic over system
-- and entity. The rules they keep: docs/how-it-works.md.
-- Repeatable: every statement replaces what is there.

-- What every idempotency key of a record begins with; its revision and a hash of the request follow.
create or replace function sync.key_prefix(p_entity text, p_record_id text) returns text language plpgsql stable as $$
begin
  return format('bactrian:%s:%s:%s:', sync.hub(), p_entity, case when length(p_record_id) > 64 then md5(p_record_id) else p_record_id end);
end $$;

-- The same before there was an installation: of writes up to old_key_to of their link.
create or replace function sync.old_key_prefix(p_entity text, p_record_id text) returns text language plpgsql immutable as $$
begin
  return format('bactrian:%s:%s:', p_entity, case when length(p_record_id) > 64 then md5(p_record_id) else p_record_id end);
end $$;

-- Takes a record for one outbound write.
--
-- p_fields: the columns that this system syncs, in the order in which they go out: 'invoice_items/*' are the parts of a record,
-- each of which goes out by itself, after what is named before them and before what is named after. p_lease: longer than a
-- call may take; p_instance: who asks; p_first_contact: the mode of the reconcile when a system is met, or off.
-- action: none      nothing to do, or nothing but what was refused already: see sync.retry
--         busy      somebody else holds the record; they will look again
--         parked    the system is paused, does not answer, or does not let us: sync.unpark asks again
--         waiting   it refers to a record that the system does not have yet: asked for again when it does, see sync.failure
--         find      a create whose outcome nobody knows, and which cannot be repeated, because its idempotency key is forgotten
--                   by now, or its request refused: look for the object among those made since in_flight_at. Settle with
--                   it if it is there; else send record, which is the row as it is now, or settle without anything when record is null
--         create    send record            (base is null)
--         update    send what differs between record and base, both whole records
--         delete    delete external_id
--         fetch     read external_id and settle with what it says
--         point     add the pointers to external_id, then the same as fetch
-- Every action but none, busy, parked and waiting must end in sync.settle or sync.fail with the token. key_prefix begins the
-- idempotency key. In record and base other records are named by their ids in the system, and so are parts that are sent: see
-- sync.external.
create or replace function sync.claim(
  p_system text, p_entity text, p_record_id text, p_fields text[], p_lease interval, p_instance text default null, p_first_contact text default 'off')
returns table (action text, token bigint, external_id text, key_prefix text, record jsonb, base jsonb, in_flight_at timestamptz) language plpgsql
  set timezone = 'UTC' set lock_timeout = '5s' as $$
declare
  v_reason text;
begin
  if not sync.is_blocked(p_system, p_entity) then
    begin
      return query select * from sync.claim_record(p_system, p_entity, p_record_id, p_fields, p_lease, p_instance, p_first_contact);
      return;
    exception when lock_not_available or deadlock_detected then
      perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', 'locked', 'somebody has locked the row: it is tried again', null, null);
      action := 'waiting';
      return next;
      return;
    when insufficient_privilege or undefined_column or undefined_table or sqlstate 'BA002' then
      if not sync.block(p_system, p_entity) then
        perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', sqlstate, sqlerrm, null, null);
        action := 'waiting';
        return next;
        return;
      end if;
    end;
  end if;
  insert into sync.link (system, entity, record_id) values (p_system, p_entity, p_record_id) on conflict do nothing;
  perform sync.park(p_system, p_entity, p_record_id);
  select b.reason into v_reason from sync.blocked b where b.system = p_system and b.entity = p_entity;
  perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'permanent', 'blocked', v_reason, null, null);
  action := 'parked';
  return next;
end $$;

-- The same for a table that can be seen.
create or replace function sync.claim_record(
  p_system text, p_entity text, p_record_id text, p_fields text[], p_lease interval, p_instance text, p_first_contact text)
returns table (action text, token bigint, external_id text, key_prefix text, record jsonb, base jsonb, in_flight_at timestamptz) language plpgsql
  set timezone = 'UTC' as $$
declare
  l           sync.link;
  v_record    jsonb;
  v_base      jsonb;
  v_moved     text[];
  v_in_flight jsonb;
  v_fields    text[];
  v_sent      text[];
  v_missing   text;
  v_repeat    jsonb;
  v_policy    text := (select i.policy from sync.integration i where i.system = p_system and i.entity = p_entity);
  v_token     bigint;
  v_now       timestamptz := clock_timestamp();
begin
  if not sync.tracked(p_entity) then
    action := 'none'; -- a message from before sync.untrack
    return next;
    return;
  end if;
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if not found then
    if sync.read(p_entity, p_record_id) is null then
      delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';
      action := 'none';
      return next;
      return;
    end if;
    insert into sync.link (system, entity, record_id, external_id, look_at)
    select p_system, p_entity, p_record_id, u.external_id, case when u.external_id is not null then 'epoch'::timestamptz end
      from (values (0)) one left join sync.unlinked u -- its object was left there when a delete was cancelled
        on u.system = p_system and u.entity = p_entity and u.record_id = p_record_id
       and not exists (select from sync.link o where o.system = p_system and o.entity = p_entity and o.external_id = u.external_id)
       and not exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = u.external_id)
    on conflict do nothing;
    delete from sync.unlinked u where u.system = p_system and u.entity = p_entity and u.record_id = p_record_id;
    select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  end if;

  if l.lease_until > clock_timestamp() then
    update sync.link t set touched = true where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    action := 'busy';
    return next;
    return;
  end if;

  if l.in_flight_op = 'fetch' then
    l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
    l.in_flight_op := null;
  end if;
  if sync.makes_part(l) and (l.in_flight_at < v_now - interval '23 hours' or sync.names_what_is_gone(l, p_fields)) then
    l := sync.look_for_part(l);
  end if;
  if sync.seeks_part(l) and sync.is_paused_in(p_system, p_entity) then
    l.parked_at := coalesce(l.parked_at, clock_timestamp());
    l.lease_token := null;
    l.lease_until := null;
    perform sync.save(l);
    action := 'parked';
    return next;
    return;
  end if;
  v_record := sync.read(p_entity, p_record_id); -- not before the link is ours: who held it may have changed the record
  record := v_record;
  perform sync.check_columns(p_system, p_entity, v_record);
  if l.deletion = 'held_in' or l.deletion = 'kept' and v_record is not null then
    action := 'none'; -- its object is gone
    l.look_at := null;
  elsif l.deletion = 'kept'
        or v_record is not null and l.external_id is not null and l.deleted_at is null and (l.deletion is distinct from 'confirmed' or l.look_at is null) then
    l := sync.row_is_back(l);
    if p_fields::text like '%/*%' then
      perform sync.parts_are_back(l, v_record);
    end if;
  end if;
  if action is null and l.in_flight_op is null and p_fields::text like '%/*%' and not sync.seeks_part(l) then
    perform sync.let_go_of_parts(l, v_record);
    if sync.has_unknown_part(l) then
      l.look_at := coalesce(l.look_at, 'epoch');
    end if;
  end if;
  if action = 'none' then
    null;
  elsif l.deleted_at is not null then
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
      l.deletion := null;
      action := 'create';
    end if;
  elsif l.in_flight_op = 'create' then
    -- A create whose outcome nobody knows: the very same request again, whatever the record is now, so that the
    -- idempotency key finds the object that may exist already. What changed since goes out after it.
    action := case when l.find_first or l.in_flight_at < v_now - interval '23 hours' or sync.names_what_is_gone(l, p_fields)
                   then 'find' else 'create' end; -- keys are kept for 24
    if action = 'create' then
      record := l.in_flight;
    end if;
  elsif l.external_id is null then
    action := case when v_record is null then 'none' else 'create' end;
  elsif l.in_flight_op = 'delete' then
    action := 'delete'; -- of unknown outcome: finished first, even if the id has a new record meanwhile
    record := null;
  elsif l.look_at is not null and (v_record is null or l.in_flight_op is distinct from 'update') and not sync.is_paused_in(p_system, p_entity) then
    action := 'fetch'; -- even if the record is gone: what was edited there is kept
  elsif v_record is null then
    action := sync.decide_deletion(l, 'out');
    if action = 'keep' then
      perform sync.save(sync.bury(l, l.external_id, '{}', 'hub'));
      perform sync.note(p_entity, p_record_id, p_system, 'note', 'it was deleted here, and stays in ' || p_system);
    elsif action = 'hold' then
      update sync.link t set deletion = 'held_out', parked_at = null where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    elsif action = 'delete' then
      perform sync.release(l); -- whoever waits for a part that has moved does not any more
    end if;
    if action <> 'delete' then
      action := 'none';
      return next;
      return;
    end if;
  else
    if v_policy ~ ':\s*(in|once)' and l.in_flight_op is null and not sync.is_paused_in(p_system) then
      v_record := sync.put_back(l, v_record, p_fields, v_policy);
      record := v_record;
    end if;
    v_fields := sync.fields(p_fields, v_record, l.hub_base, l.in_flight);
    v_base := sync.pick(l.hub_base, array(select f from unnest(sync.moved(l.hub_base, v_record, v_fields)) f
                                           where not sync.belongs_there(v_policy, f, l.remote_base)));
    if l.in_flight_op = 'update' then
      -- An update whose outcome nobody knows. Where the record still says what was sent, it is sent again; where it
      -- says something else, that goes out, and compares to what was sent.
      v_base := v_base || (select jsonb_object_agg(f.key, case when f.value = coalesce(v_record -> f.key, 'null')
                                                               then l.in_flight_base -> f.key else f.value end)
                             from jsonb_each(l.in_flight) f);
    end if;
    v_moved := array(select jsonb_object_keys(v_base));
    if v_fields <> p_fields then
      v_moved := sync.one_call(p_fields, v_moved, case l.in_flight_op when 'update' then array(select jsonb_object_keys(l.in_flight)) else v_moved end);
      v_base := sync.pick(v_base, v_moved);
    end if;
    if not sync.deletes_part(l) and exists (
         select from unnest(v_moved) f where f like '%/%' and coalesce(v_record -> f, 'null') = 'null' and v_base -> f <> 'null' and sync.holds_part(l, f)) then
      perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'permanent', 'delete',
        format('rows that belong to it were deleted, and many others with them: to delete them in %1$s, too: select sync.confirm_deletes(%1$L, %2$L); if that is wrong, insert them again',
               p_system, (select split_part(f, '/', 1) from unnest(v_moved) f where f like '%/%' limit 1)), null, null);
      action := 'none';
      return next;
      return;
    end if;
    if sync.makes_part(l) or sync.deletes_part(l) then
      v_repeat := l.in_flight; -- a part that may have been made, or deleted: the very same request again, as for a record
      v_base := sync.pick(l.in_flight_base, v_moved);
    end if;
    record := v_record || coalesce(v_repeat, sync.pick(v_record, v_moved)); -- a part that is gone is null
    base := v_record || v_base;
    action := case when v_base = '{}' then 'none' else 'update' end;
  end if;

  if action = 'none' and l.old_pointer and l.external_id is not null and l.deleted_at is null and v_record is not null and not sync.is_paused_in(p_system, p_entity) then
    action := 'point';
  end if;

  if action = 'none' then
    if l.parked_at is not null or l.look_at is not null then
      update sync.link t set parked_at = case when l.look_at is not null and l.deleted_at is null then coalesce(t.parked_at, clock_timestamp()) end,
                             look_at = l.look_at, in_flight_op = l.in_flight_op -- read when inbound is resumed
       where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    end if;
    delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';
    return next;
    return;
  end if;

  if action in ('create', 'find') and array_to_string(p_fields, ',') like '%/*%' and record is not null then
    v_fields := sync.fields(p_fields, record);
    v_sent := sync.one_call(p_fields, v_fields, v_fields);
    record := record - array(select f from unnest(v_fields) f where f <> all (v_sent)); -- the rest goes out when it is there
  end if;
  if action in ('create', 'find') and v_policy ~ ':\s*(in|once)' and record is not null then
    record := record - array(select f from jsonb_object_keys(record) f where sync.belongs_there(v_policy, f, null));
  end if;
  v_in_flight := case when action = 'create' then record
                      when action = 'find'   then l.in_flight
                      when action = 'update' then coalesce(v_repeat, sync.pick(v_record, v_moved))
                      when action = 'fetch'  then jsonb_build_object('edited_at', l.look_at)
                      when action = 'point'  then '{"edited_at": "epoch", "point": true}' end;
  if action = 'find' then
    v_base := record; -- what is made if nothing is found
  end if;
  if action in ('create', 'find', 'update') then
    v_sent := coalesce(v_moved, p_fields);
    select x.p_record, x.p_missing into record, v_missing from sync.external(p_system, p_entity, record, v_sent) x;
    select x.p_record into base from sync.external(p_system, p_entity, base, v_sent, true) x;
  end if;
  if action = 'create' and l.in_flight_op is null and exists (
       select from sync.event e where e.system = p_system and e.waits_for is not null and e.entity = p_entity
          and (e.held ->> 'event')::jsonb ->> 'hub_id' = p_record_id) then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', 'reference',
      format('an object in %s points to it, and waits in sync.event for what that refers to: it is linked then', p_system), null, null);
    action := 'waiting';
    return next;
    return;
  end if;
  if v_missing is not null and (l.in_flight_op is null or action = 'find' or v_in_flight is distinct from l.in_flight) then
    update sync.link t set waits_for = v_missing where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', 'reference',
      case when split_part(v_missing, '/', 1) = p_entity
           then format('a part of it has moved here from %s, and is still there in %s: it is sent as soon as it is not', replace(v_missing, '/', ' '), p_system)
           else format('it refers to %s, which is not in %s yet: it is sent as soon as that is', replace(v_missing, '/', ' '), p_system) end, null, null);
    if l.waits_for is distinct from v_missing then -- once: many may wait for the same record
      perform sync.poke(split_part(v_missing, '/', 1), substr(v_missing, strpos(v_missing, '/') + 1), p_system);
    end if;
    action := 'waiting';
    return next;
    return;
  end if;

  if action in ('create', 'update', 'delete') and l.in_flight_op is null and exists (
       select from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out'
          and f.refused = sync.request_mark(action, v_in_flight, v_base, l.remote_base)) then
    action := 'none'; -- the answer would be the same
    return next;
    return;
  end if;

  v_token := nextval('sync.lease_token');
  if not sync.may_touch(p_system, p_entity, case action when 'fetch' then 'in' else 'out' end, v_token)
     or not sync.may_call(p_system, v_token) or action = 'create' and p_first_contact <> 'off' and sync.meets_soon(p_system, p_entity, p_instance) then
    perform sync.park(p_system, p_entity, p_record_id);
    delete from sync.failure f -- what it refers to is there by now
     where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out' and f.code = 'reference';
    action := 'parked';
    return next;
    return;
  end if;

  if action = 'fetch' then
    l.look_at := null; -- an event that comes while we read asks for another look
  elsif action = 'find' then
    l.find_first := true; -- what is found is as it is now, and not as it was made
    l.revision := l.revision + 1;
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
  l.lease_token := v_token;
  l.lease_until := v_now + p_lease;
  l.holder := p_instance;
  l.claimed_at := v_now;
  l.touched := false;
  l.parked_at := null;
  l.waits_for := null;
  if l.in_flight_op is distinct from action and action <> 'find' then
    l.in_flight_at := v_now;
  end if;
  l.in_flight_op := case action when 'find' then 'create' when 'point' then 'fetch' else action end;
  l.in_flight := v_in_flight;
  l.in_flight_base := v_base;
  if action = 'update' and v_fields <> p_fields then
    perform sync.hold_parts(p_system, p_entity, p_record_id, v_in_flight);
  end if;
  perform sync.save(l);

  token := l.lease_token;
  external_id := l.external_id;
  key_prefix := case when l.revision <= l.old_key_to then sync.old_key_prefix(p_entity, p_record_id) -- the same request again, under its key
                     else sync.key_prefix(p_entity, p_record_id) end || l.revision;
  in_flight_at := l.in_flight_at;
  return next;
end $$;

-- Tells a request from others to the same record, without saying what it holds: what is sent, and what is known of both sides.
create or replace function sync.request_mark(p_action text, p_sent jsonb, p_base jsonb, p_remote jsonb) returns text language plpgsql immutable as $$
begin
  return md5(jsonb_build_array(p_action, p_sent, p_base, p_remote)::text);
end $$;

-- Puts back what somebody changed here of fields that belong to the system; the edited values are kept in sync.conflict. Returns the record.
create or replace function sync.put_back(l sync.link, p_record jsonb, p_fields text[], p_policy text) returns jsonb language plpgsql as $$
declare
  v_moved text[] := array(select f from unnest(sync.moved(l.hub_base, p_record, p_fields)) f
                           where l.hub_base ? f and coalesce(l.remote_base -> f, 'null') <> 'null' and sync.belongs_there(p_policy, f, l.remote_base));
begin
  if v_moved = '{}' then
    return p_record;
  end if;
  p_record := sync.read(l.entity, l.record_id, true); -- nobody changes it meanwhile
  v_moved := array(select f from unnest(v_moved) f where p_record is not null and coalesce(p_record -> f, 'null') <> coalesce(l.hub_base -> f, 'null'));
  if v_moved = '{}' then
    return p_record;
  end if;
  insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
  select l.system, l.entity, l.record_id, f, l.hub_base -> f, p_record -> f, l.remote_base -> f, 'remote', 'it belongs to ' || l.system || ': put back'
    from unnest(v_moved) f where coalesce(p_record -> f, 'null') <> 'null'; -- else nobody had told it yet
  return (sync.write(l.system, l.entity, sync.pick(l.hub_base, v_moved), l.record_id)).p_record;
end $$;

-- Whether the system's objects of that table are about to be met for the first time: until they are known a create might double
-- one. The reconcile of each table begins as soon as the application has started; where there is none nobody waits for ever.
create or replace function sync.meets_soon(p_system text, p_entity text, p_instance text) returns boolean language plpgsql as $$
begin
  if exists (select from sync.run r where r.system = p_system and r.entity = p_entity)
     or exists (select from sync.link l where l.system = p_system and l.entity = p_entity and l.external_id is not null) then
    return false;
  end if;
  insert into sync.system (name) values (p_system) on conflict do nothing;
  return exists (select from sync.system s where s.name = p_system and s.met_at > clock_timestamp() - interval '10 seconds')
      or not exists (select from sync.instance i where i.id = p_instance and i.steady_since < clock_timestamp() - interval '10 seconds');
end $$;

-- A record waits until its system can be called, or read, again: see sync.unpark.
create or replace function sync.park(p_system text, p_entity text, p_record_id text) returns void language sql as $$
  update sync.link t set parked_at = coalesce(t.parked_at, clock_timestamp())
   where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
$$;

-- Whether a write of unknown outcome may have made a part: one that has no object yet.
create or replace function sync.makes_part(l sync.link) returns boolean language plpgsql stable as $$
begin
  return l.in_flight_op = 'update' and exists (
    select from jsonb_each(l.in_flight) f where f.key like '%/%' and f.value <> 'null'
       and sync.external_ref(l.system, split_part(f.key, '/', 1), substr(f.key, strpos(f.key, '/') + 1)) is null);
end $$;

-- Whether a write of unknown outcome may have deleted a part.
create or replace function sync.deletes_part(l sync.link) returns boolean language plpgsql immutable as $$
begin
  return l.in_flight_op = 'update' and exists (select from jsonb_each(l.in_flight) f where f.key like '%/%' and f.value = 'null');
end $$;

-- Whether a write of unknown outcome refers to a record whose object is gone since: it cannot be repeated as it was.
create or replace function sync.names_what_is_gone(l sync.link, p_fields text[]) returns boolean language plpgsql as $$
begin
  return (select x.p_missing is not null
            from sync.external(l.system, l.entity, l.in_flight,
                               array(select f from jsonb_object_keys(l.in_flight) f where f = any (p_fields) or f like '%/%')) x);
end $$;

-- Whether a part has an object that an event told of without saying what it is like. One that does not fit waits for a person.
create or replace function sync.has_unknown_part(l sync.link) returns boolean language plpgsql stable as $$
begin
  return l.external_id is not null and l.deleted_at is null and exists (
    select from sync.link p join sync.entity e on e.name = p.entity and e.part_of = l.entity
     where p.system = l.system and p.whole = l.record_id and p.external_id is not null
       and coalesce(l.remote_base -> (p.entity || '/' || p.record_id), 'null') = 'null')
    and not exists (select from sync.failure f where f.system = l.system and f.entity = l.entity and f.record_id = l.record_id and f.direction = 'in');
end $$;

-- Gives up a write that may have made a part and that cannot be repeated, because its idempotency key is of no use any more: the
-- whole is read, and shows whether the part is there. What it says counts as older than any edit here, the deletion of the part's row
-- among them: for that what was sent counts as agreed on until then.
create or replace function sync.look_for_part(l sync.link) returns sync.link language plpgsql as $$
begin
  l.hub_base := coalesce(l.hub_base, '{}') || (select jsonb_object_agg(f.key, f.value) from jsonb_each(l.in_flight) f where f.key like '%/%' and f.value <> 'null');
  l.look_at := coalesce(l.look_at, 'epoch');
  l.revision := l.revision + 1;
  l.in_flight_op := null;
  l.in_flight := null;
  return l;
end $$;

-- Whether the whole is to be read before anything else is written, because a part may have been made.
create or replace function sync.seeks_part(l sync.link) returns boolean language plpgsql immutable as $$
begin
  return l.look_at is not null and exists (
    select from jsonb_each(l.hub_base) f where f.key like '%/%' and f.value <> 'null' and coalesce(l.remote_base -> f.key, 'null') = 'null');
end $$;

-- The whole was read: a part that is not in it was never made, or is gone, whatever was thought of it.
create or replace function sync.miss_parts(l sync.link) returns sync.link language plpgsql as $$
begin
  l.hub_base := l.hub_base - array(
    select f.key from jsonb_each(l.hub_base) f where f.key like '%/%' and f.value <> 'null' and coalesce(l.remote_base -> f.key, 'null') = 'null');
  with gone as (
    delete from sync.link p using sync.entity e
     where e.part_of = l.entity and p.system = l.system and p.entity = e.name and p.whole = l.record_id
       and coalesce(l.remote_base -> (p.entity || '/' || p.record_id), 'null') = 'null'
       and (p.external_id is null or l.look_at is null) -- else an event may have told of it since: the next look shows
    returning p.system, p.entity, p.external_id, p.record_id)
  insert into sync.tombstone (system, entity, external_id, record_id) select * from gone where external_id is not null on conflict do nothing;
  perform sync.release(l);
  return l;
end $$;

-- Ends a claim that reached the other system.
--
-- p_remote: the object's state there in canonical form; null when it is gone (deleted by us, or by somebody else);
-- p_at: the other system's clock at that state; p_stale: the state is that of an earlier answer (a replayed one).
-- p_details: what else the timeline is to tell of the call.
-- Returns settled; gone; look: an update met no object, so that it is read before anything is believed; missed: what was found is an
-- object that the record's id had in an earlier life; failed: the
-- answer does not fit the hub (kept in sync.failure); waiting: it names an object that the hub does not have yet, and the call
-- is repeated (sync.fail); lost: the lease was lost meanwhile, nothing is changed, and the record is looked at again.
create or replace function sync.settle(
  p_system text, p_entity text, p_record_id text, p_token bigint, p_external_id text,
  p_remote jsonb, p_at timestamptz, p_stale boolean, p_fields text[], p_policy text, p_details jsonb default null) returns text language plpgsql
  set lock_timeout = '5s' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  l           sync.link;
  v_op        text;
  v_sent      text[];
  v_outcome   text := 'settled';
  v_merged    record;
  v_state     jsonb;
  v_record    jsonb;
  v_what      text;
  v_taken     text;
  v_found     boolean;
  v_in_flight jsonb;
  v_gone      jsonb;
  v_look      timestamptz;
  v_fields    text[] := p_fields;
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
  v_in_flight := l.in_flight;
  v_what := sync.describe_call(l, p_system);
  begin
    p_remote := sync.internal(p_system, p_entity, p_record_id, p_remote,
                              coalesce(l.remote_base, '{}') || coalesce(l.hub_base, '{}') || coalesce(l.in_flight, '{}'));
  exception when sqlstate 'BA001' then
    perform sync.fail(p_system, p_entity, p_record_id, p_token, 'transient', false, false, false, null, 'reference',
      format('%s has %s in it, which is not in the hub yet: it is asked again soon', p_system, replace(sqlerrm, '/', ' ')), null, 5, p_details);
    return 'waiting';
  end;
  p_remote := sync.keep_once(p_policy, p_remote, l.remote_base);
  if v_op = 'update' then
    p_remote := coalesce(l.remote_base, '{}') || p_remote; -- a call about one part tells nothing of the rest
  end if;
  p_fields := sync.fields(p_fields, l.hub_base, l.remote_base, l.in_flight, p_remote);
  perform sync.end_probe(p_system, p_token, true);
  perform sync.end_scope_probe(p_system, p_token, true);
  if p_remote is not null and l.deletion = 'confirmed' then
    l.deletion := null; -- it is not gone
  end if;
  delete from sync.failure f
   where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out'
     and (v_op is distinct from 'fetch' or f.class <> 'transient'); -- a read is no success of the write that it prepares: see below

  if v_op = 'create' and p_external_id is null and p_remote is not null then
    perform sync.fail(p_system, p_entity, p_record_id, p_token, 'permanent', true, false, false, null, 'no_id',
      p_system || ' answered the create without an id: look there whether the object was made, then select sync.retry', null, null, p_details);
    return 'failed';
  end if;
  if v_op = 'create' and exists (select from sync.link t where t.system = p_system and t.entity = p_entity
                                    and t.external_id = p_external_id and t.record_id <> p_record_id) then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'permanent', '23505',
      format('%s belongs to another record, but points to this one: take its hub_id away there, then try again', p_external_id), null, null);
    l.in_flight_op := null;
    l.in_flight := null;
    l.lease_token := null;
    l.lease_until := null;
    perform sync.save(l);
    return 'failed';
  end if;
  if p_remote is null and v_op = 'create' and not l.find_first then
    perform sync.fail(p_system, p_entity, p_record_id, p_token, 'permanent', true, false, false, null, 'no_object',
      p_system || ' answered the create without an object: look there whether it was made, then select sync.retry', null, null, p_details);
    return 'failed';
  end if;
  if p_remote is null and v_op = 'create' then -- looked for, not found, and deleted in the hub meanwhile
    delete from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    perform sync.note(p_entity, p_record_id, p_system, 'call', 'it was never made in ' || p_system, p_details);
    if sync.read(p_entity, p_record_id) is not null then
      perform sync.poke(p_entity, p_record_id, p_system);
    end if;
    return 'gone';
  elsif v_op = 'create' and p_stale and exists (
        select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = p_external_id and t.record_id = p_record_id) then
    -- The newest that was found is one that this id had before.
    l.in_flight_op := null;
    l.in_flight := null;
    v_outcome := 'missed';
  elsif p_remote is null and v_op = 'update' then
    -- A part that was to be gone is gone, by whomever.
    select coalesce(jsonb_object_agg(f.key, f.value), '{}') into v_gone from jsonb_each(l.in_flight) f where f.key like '%/%' and f.value = 'null';
    l.hub_base := l.hub_base || v_gone;
    l.remote_base := l.remote_base || v_gone;
    l.look_at := coalesce(l.look_at, p_at, clock_timestamp());
    l.unechoed := nullif(l.unechoed - l.revision::text, '{}');
    l.revision := l.revision + 1;
    l.in_flight_op := null;
    l.in_flight := null;
    if sync.is_paused_in(p_system) then
      l.parked_at := clock_timestamp(); -- it is read when inbound is resumed
    end if;
    v_outcome := 'look';
  elsif p_remote is null or exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity
                                       and t.external_id = coalesce(p_external_id, l.external_id)) then
    begin
      if v_op = 'delete' then
        l := sync.bury(l, p_external_id, v_fields, 'hub');
      else
        l := sync.take_deletion(l, p_external_id, v_fields);
      end if;
      v_outcome := 'gone';
    exception when others then
      perform sync.keep_failure(p_system, p_entity, p_record_id, sqlstate, sqlerrm, null);
      l.in_flight_op := null;
      l.in_flight := null;
      v_outcome := 'failed';
    end;
  elsif v_op in ('create', 'update') then
    v_sent := case v_op when 'update' then array(select jsonb_object_keys(l.in_flight)) end;
    v_found := v_op = 'create' and p_stale and (l.find_first or l.in_flight_at < l.claimed_at - interval '23 hours');
    if not p_stale then
      l := sync.made_anew(l);
    end if;
    v_in_flight := l.in_flight;
    v_state := case when v_found then sync.as_made(l, p_fields) end;
    l := sync.advance(l, p_external_id, coalesce(v_state, p_remote), p_at, p_fields, p_policy);
    if v_found then
      -- Whether what differs is an edit, or how it is spelled there, nobody knows: it counts as edited on both sides, here later.
      l.hub_base := l.hub_base - array(select f from unnest(sync.moved(v_state, p_remote, p_fields)) f where v_in_flight ? f);
      l.look_at := coalesce(l.look_at, 'epoch');
      v_state := null;
    elsif p_stale then
      l.look_at := greatest(l.look_at, p_at);
    elsif v_op = 'create' and l.look_at is null then
      -- What is the remote's own, it has made by now.
      if p_policy like '%:%' and not sync.is_paused_in(p_system) and sync.moved(l.remote_base, p_remote, p_fields) <> '{}' then
        v_state := p_remote;
      end if;
    elsif v_op = 'update' and l.look_at is null then
      -- The fields that were sent are settled; the answer also tells what others did to the rest meanwhile.
      v_state := p_remote || sync.pick(l.remote_base, array(select f from unnest(v_sent) f
                                                                       where f <> all (sync.left_to_remote(p_policy, v_sent) || array(
                                                                                select p from unnest(v_sent) p where p like '%/%' and l.remote_base -> p <> p_remote -> p))));
      if sync.is_paused_in(p_system) and sync.moved(l.remote_base, v_state, p_fields) <> '{}' then
        l.look_at := p_at;
        v_state := null;
      end if;
    end if;
  elsif v_op = 'fetch' then
    v_state := p_remote;
  elsif p_external_id <> l.external_id then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'in', 'permanent', '23505',
      format('record %s has two objects in %s: %s is linked, %s is not', p_record_id, p_system, l.external_id, p_external_id), null, null);
    v_outcome := 'failed';
  end if; -- else the echo of our write came before its answer, and said the same

  if v_state is not null then
    begin
      v_merged := sync.merge(case v_op when 'fetch' then sync.with_parts_as_made(l, v_state) else l end, v_state,
                             case v_op when 'fetch' then (l.in_flight ->> 'edited_at')::timestamptz else p_at end, p_fields, p_policy);
      l := v_merged.l;
      v_taken := v_merged.outcome;
      l.last_event_at := greatest(l.last_event_at, p_at);
      l.in_chain := false;
      delete from sync.failure f
       where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'in';
      if v_op = 'fetch' and v_in_flight ? 'point' then
        l.old_pointer := false;
        update sync.link t set old_pointer = false where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
      end if;
    exception when others then
      perform sync.keep_failure(p_system, p_entity, p_record_id, sqlstate, sqlerrm, null);
      v_outcome := 'failed';
      v_look := l.look_at;
      l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
      if v_op is distinct from 'fetch' or not sync.seeks_part(l) then -- else it is looked for again before anything is sent
        l.look_at := v_look;
      end if;
    end;
    if v_op = 'fetch' then
      l.in_flight_op := null;
      l.in_flight := null;
      l.unechoed := (select jsonb_object_agg(w.key, w.value || '{"looked": true}') from jsonb_each(l.unechoed) w);
      if v_outcome <> 'failed' and v_fields <> p_fields then
        l := sync.miss_parts(l);
      end if;
    end if;
  end if;

  perform sync.note(p_entity, p_record_id, p_system, 'call',
    v_what || case v_outcome
                when 'settled' then ': done' || case when v_taken = 'applied' then ', and what others edited there was taken'
                                                     when v_taken = 'conflict' then ', and both sides had edited one field: see sync.conflict'
                                                     else '' end
                when 'gone' then ': it is gone there'
                when 'look' then ': it is not there; it is read again before that is believed'
                when 'missed' then ': it was never made, and is made now'
                else ': done, but the answer does not fit the hub: see sync.failure' end,
    coalesce(p_details, '{}') || jsonb_build_object('external_id', l.external_id, 'ms', (extract(epoch from clock_timestamp() - l.claimed_at) * 1000)::bigint));
  l.lease_token := null;
  l.lease_until := null;
  perform sync.save(l);
  v_record := sync.read(p_entity, p_record_id);
  if l.touched
     or l.deleted_at is not null and v_record is not null and l.deletion is null
     or l.deleted_at is null and l.deletion is null and l.parked_at is null and v_outcome <> 'failed' -- a person's turn, or the next change's
        and (v_outcome = 'missed' or l.look_at is not null or l.old_pointer or v_record is null
             or sync.to_do(l, v_record, v_fields, p_policy) <> '{}') then
    perform sync.poke(p_entity, p_record_id, p_system);
  elsif v_op = 'fetch' and v_outcome <> 'failed' then
    delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out'; -- nothing is left to write
  end if;
  return v_outcome;
end $$;

-- A create whose object was looked for and not found: what was sent then is the record as it was at the claim.
create or replace function sync.made_anew(l sync.link) returns sync.link language plpgsql immutable as $$
begin
  if l.in_flight_op = 'create' and l.find_first then
    l.in_flight := coalesce(l.in_flight_base, l.in_flight);
  end if;
  return l;
end $$;

-- What our create made of a record whose object was found later, when others may have changed it: what was sent, and for the rest
-- what a new row has. It is what both sides last agreed on.
create or replace function sync.as_made(l sync.link, p_fields text[]) returns jsonb language plpgsql as $$
declare
  v       record;
  v_value  jsonb;
  v_made   jsonb := l.in_flight;
  v_policy text := (select i.policy from sync.integration i where i.system = l.system and i.entity = l.entity);
begin
  for v in
    select a.attname, pg_get_expr(d.adbin, d.adrelid) as expression
      from sync.entity e join pg_attribute a on a.attrelid = e.relation join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where e.name = l.entity and a.attgenerated = '' and a.attname::text = any (p_fields) and not l.in_flight ? a.attname::text
       and not sync.belongs_there(v_policy, a.attname::text, '{"status": "made"}') -- that only the remote tells
  loop
    execute format('select to_jsonb(%s)', v.expression) into v_value;
    v_made := v_made || jsonb_build_object(v.attname, v_value);
  end loop;
  return v_made;
end $$;

-- The same for parts that were looked for, and found: a link to merge with.
create or replace function sync.with_parts_as_made(l sync.link, p_remote jsonb) returns sync.link language plpgsql immutable as $$
declare
  f record;
begin
  for f in select h.key, h.value from jsonb_each(l.hub_base) h
            where h.key like '%/%' and h.value <> 'null' and coalesce(l.remote_base -> h.key, 'null') = 'null'
              and coalesce(p_remote -> h.key, 'null') not in ('null', h.value)
  loop
    l.remote_base := coalesce(l.remote_base, '{}') || jsonb_build_object(f.key, f.value);
    l.hub_base := l.hub_base || jsonb_build_object(f.key, '{}'::jsonb); -- as if edited here, too
  end loop;
  return l;
end $$;

-- A call that was claimed, in words: what was sent, not what it says.
create or replace function sync.describe_call(l sync.link, p_system text) returns text language plpgsql stable as $$
begin
  return case l.in_flight_op
           when 'create' then 'create in ' || p_system
           when 'update' then 'update in ' || p_system || ' of ' || (select string_agg(f, ', ' order by f) from jsonb_object_keys(l.in_flight) f)
           when 'delete' then 'delete in ' || p_system
           when 'fetch'  then case when l.in_flight ? 'point' then 'pointer added, and read from ' else 'read from ' end || p_system
           else 'write to ' || p_system || ', whose event came before the answer' end;
end $$;

-- Ends a claim whose call failed. The record waits in sync.failure; its next change tries again by itself.
--
-- p_class: transient  nobody knows what happened, or it was too early: the same request is repeated after a growing pause,
--                     or after p_retry_after seconds if the system said so
--          permanent  the system said no for good: nothing was written there, and only a person or another change of the
--                     record can mend it
--          denied     a permission is missing, so it would say no to every record of its kind: those wait. To one record alone, when it
--                     says yes to others, that is permanent
--          fatal      it would say no to every record: the system is paused, and the record parked
-- p_permission: what is missing, in the system's words.
-- p_key_spent: the answer is stored under the idempotency key, so that only another key can bring another one. A create is
-- looked for first.
-- p_unanswered: the system did not do its part, whatever the record; p_down: so often of late that its circuit opens.
-- While it is open, records are parked and are no failures.
-- p_slow_down: the class of endpoints that is called too fast, '' for all, null when none is.
-- p_details: what else the timeline is to tell of the call.
--
-- Returns waiting, refused, parked, or lost: the lease was lost meanwhile, and the record is looked at again.
create or replace function sync.fail(
  p_system text, p_entity text, p_record_id text, p_token bigint, p_class text, p_key_spent boolean,
  p_unanswered boolean, p_down boolean, p_slow_down text,
  p_code text, p_reason text, p_request_id text, p_retry_after numeric, p_details jsonb default null, p_permission text default null)
returns text language plpgsql as $$
declare
  l             sync.link;
  v_look        boolean;
  v_outcome     text;
  v_direction   text;
  v_refused     text;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if not found or l.lease_token is distinct from p_token then
    perform sync.poke(p_entity, p_record_id, p_system);
    return 'lost';
  end if;
  if p_class = 'transient' and p_code in ('not_json', 'no_id') and exists (
       select from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out'
          and f.code in ('not_json', 'no_id') and f.attempts >= 5) then
    p_class := 'permanent'; -- nobody can tell what was done: a person looks, and a create is looked for before it is repeated
    p_key_spent := true;
  end if;
  if p_slow_down is not null then
    perform sync.slow_down(p_system, p_slow_down);
  end if;
  if p_down then
    perform sync.open_circuit(p_system, p_reason);
  end if;
  perform sync.end_probe(p_system, p_token, not p_unanswered);
  perform sync.end_scope_probe(p_system, p_token, p_class = 'permanent');
  v_direction := case when l.in_flight_op = 'fetch' and not l.in_flight ? 'point' then 'in' else 'out' end;
  if p_class = 'denied' and l.in_flight_op <> 'create' and not sync.makes_part(l) and sync.is_refused_alone(p_system, p_entity, v_direction, p_record_id) then
    p_class := 'permanent';
    p_reason := 'others of its kind are not refused, but this one is: ' || p_reason;
  elsif p_class = 'denied' then
    perform sync.stop_scope(p_system, p_entity, v_direction, p_permission, p_reason, case when l.in_flight_op <> 'create' then p_record_id else '' end);
  end if;
  if p_class = 'fatal' then
    perform sync.pause(p_system, 'out', p_reason);
  end if;

  v_outcome := case when p_class = 'permanent' then 'refused'
                    when p_class in ('fatal', 'denied') or p_unanswered and exists (select from sync.system s where s.name = p_system and s.open_since is not null)
                    then 'parked' else 'waiting' end;
  perform sync.note(p_entity, p_record_id, p_system, 'call',
    sync.describe_call(l, p_system) || ': ' || case v_outcome
      when 'refused' then 'refused, a person or the next change must mend it'
      when 'parked'  then case p_class when 'denied' then 'a permission is missing' else 'no answer to be had from ' || p_system || ' at present' end || ', the record waits'
      else 'failed, it is tried again' end || '. ' || p_reason,
    coalesce(p_details, '{}') || jsonb_build_object('code', p_code, 'request_id', p_request_id,
                                           'ms', (extract(epoch from clock_timestamp() - l.claimed_at) * 1000)::bigint));
  v_look := l.in_flight_op is distinct from 'fetch' or l.look_at is not null; -- a read that is refused is not repeated
  v_refused := case when v_outcome = 'refused' then sync.request_mark(l.in_flight_op, l.in_flight, l.in_flight_base, l.remote_base) end;
  l.lease_token := null;
  l.lease_until := null;
  if v_outcome = 'parked' then
    l.parked_at := clock_timestamp();
  end if;
  if l.in_flight_op = 'fetch' then
    l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
  end if;
  if v_outcome = 'refused' and l.in_flight_op = 'create' and (p_key_spent or l.in_flight_at < l.claimed_at) then
    l.find_first := true; -- an earlier try may have made it
    l.revision := l.revision + 1;
  elsif (p_key_spent or v_outcome = 'refused' and l.in_flight_at < l.claimed_at) and sync.makes_part(l) then
    l.in_flight_at := 'epoch'; -- this or an earlier try may have made the part: it is looked for
  elsif v_outcome = 'refused' then
    l.in_flight_op := null;
    l.in_flight := null;
    l.unechoed := nullif(l.unechoed - l.revision::text, '{}');
    if l.external_id is not null and jsonb_path_exists(l.unechoed, '$.* ? (@.open == true && !exists(@.looked))') then
      l.look_at := coalesce(l.look_at, clock_timestamp()); -- an earlier write of unknown outcome is not covered by this one
    end if;
    l.revision := l.revision + 1; -- an answer is stored under its key: the next try needs a new one
  elsif p_key_spent then
    if l.in_flight_op = 'update' then
      l.unechoed := l.unechoed || jsonb_build_object(l.revision + 1, l.unechoed -> l.revision::text);
    end if;
    l.find_first := l.in_flight_op = 'create';
    l.revision := l.revision + 1;
  end if;
  v_look := v_look and v_outcome = 'refused' and l.look_at is not null;
  if v_look and sync.is_paused_in(p_system) then
    l.parked_at := clock_timestamp(); -- it is read when inbound is resumed
  end if;
  perform sync.save(l);
  if v_outcome <> 'parked' then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'out', p_class, p_code, p_reason, p_request_id, p_retry_after);
    update sync.failure f set refused = v_refused where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';
  else
    delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out' and f.code = 'reference';
  end if;
  if l.touched or v_look and l.parked_at is null or v_outcome = 'refused' and l.in_flight_at = 'epoch' then
    perform sync.poke(p_entity, p_record_id, p_system);
  end if;
  return v_outcome;
end $$;
