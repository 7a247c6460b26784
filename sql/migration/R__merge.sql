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

-- A record as it is now, as JSON; null when it does not exist. p_lock: nobody else may change it until we commit.
create or replace function sync.read(p_entity text, p_record_id text, p_lock boolean default false) returns jsonb language plpgsql as $$
declare
  v_entity sync.entity;
  v_record jsonb;
begin
  select * into v_entity from sync.entity where name = p_entity;
  if not found then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  end if;
  execute format('select to_jsonb(t) from %s t where t.%I = $1::%s %s',
                 v_entity.relation, v_entity.key_column, v_entity.key_type, case when p_lock then 'for update' end)
     into v_record using p_record_id;
  return v_record;
end $$;

-- Writes fields of a record (p_record_id null: a new one) in the name of a system. Returns the record as it then is,
-- and its id. Only the fields given are touched; the others keep their value, or their default.
create or replace function sync.write(
  p_system text, p_entity text, p_values jsonb, inout p_record_id text, out p_record jsonb) language plpgsql as $$
declare
  v_entity  sync.entity;
  v_columns text;
  v_outer   text := coalesce(current_setting('sync.origin', true), '');
begin
  select * into strict v_entity from sync.entity where name = p_entity;
  select string_agg(quote_ident(f), ', ') into v_columns from jsonb_object_keys(p_values) f;
  perform set_config('sync.origin', p_system, true);
  if p_record_id is null then
    execute format('insert into %1$s as t (%2$s) select %2$s from jsonb_populate_record(null::%1$s, $1)
                    returning to_jsonb(t), t.%3$I::text', v_entity.relation, v_columns, v_entity.key_column)
       into strict p_record, p_record_id using p_values;
  else
    execute format('update %1$s t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, $1))
                     where t.%3$I = $2::%4$s returning to_jsonb(t)',
                   v_entity.relation, v_columns, v_entity.key_column, v_entity.key_type)
       into p_record using p_values, p_record_id;
  end if;
  perform set_config('sync.origin', v_outer, true);
end $$;

-- Deletes a record in the name of a system. Says whether there was one.
create or replace function sync.erase(p_system text, p_entity text, p_record_id text) returns boolean language plpgsql as $$
declare
  v_entity sync.entity;
  v_outer  text := coalesce(current_setting('sync.origin', true), '');
  v_rows   bigint;
begin
  select * into strict v_entity from sync.entity where name = p_entity;
  perform set_config('sync.origin', p_system, true);
  execute format('delete from %s where %I = $1::%s', v_entity.relation, v_entity.key_column, v_entity.key_type) using p_record_id;
  get diagnostics v_rows = row_count;
  perform set_config('sync.origin', v_outer, true);
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
-- p_remote: the remote's state in canonical form; p_at: the remote's clock at that state;
-- p_edited_at: when the remote was edited, for the policy.
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
  l.external_id   := coalesce(l.external_id, p_external_id);
  l.overwritten   := case l.in_flight_op when 'update' then sync.pick(l.remote_base, v_sent) end;
  l.hub_base      := coalesce(l.hub_base, '{}') || sync.pick(l.in_flight, v_sent);
  l.remote_base   := coalesce(l.remote_base, '{}') || sync.pick(p_remote, v_sent);
  l.last_event_at := greatest(l.last_event_at, p_at);
  l.in_chain      := false;
  l.revision      := l.revision + 1;
  l.in_flight_op  := null;
  l.in_flight     := null;
end $$;

-- The object is gone in the other system: so is the record, and nothing that comes late brings it back.
-- Values that were edited in the hub meanwhile are kept in sync.conflict.
create or replace function sync.bury(inout l sync.link, p_external_id text, p_fields text[], p_by text) language plpgsql as $$
declare
  v_record jsonb;
begin
  if p_by <> 'hub' then
    v_record := sync.read(l.entity, l.record_id, true);
    insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
    select l.system, l.entity, l.record_id, f, l.hub_base -> f, v_record -> f, null, 'remote',
           'deleted in ' || l.system || ', edited in the hub'
      from unnest(sync.moved(l.hub_base, v_record, p_fields)) f
     where v_record is not null;
    perform sync.erase(l.system, l.entity, l.record_id);
  end if;
  insert into sync.tombstone (system, entity, external_id, record_id)
       values (l.system, l.entity, coalesce(p_external_id, l.external_id), l.record_id)
  on conflict do nothing;
  l.external_id  := coalesce(l.external_id, p_external_id);
  l.deleted_at   := now();
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
     set external_id = l.external_id, hub_base = l.hub_base, remote_base = l.remote_base, overwritten = l.overwritten,
         last_event_at = l.last_event_at, in_chain = l.in_chain, look_at = l.look_at, revision = l.revision,
         lease_token = l.lease_token, lease_until = l.lease_until, touched = l.touched,
         in_flight_op = l.in_flight_op, in_flight = l.in_flight, deleted_at = l.deleted_at
   where t.system = l.system and t.entity = l.entity and t.record_id = l.record_id;
end $$;

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
returns table (action text, token bigint, external_id text, key_prefix text, record jsonb, base jsonb) language plpgsql as $$
declare
  l        sync.link;
  v_record jsonb;
  v_moved  text[];
  v_fresh  boolean;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  v_fresh := not found;
  v_record := sync.read(p_entity, p_record_id);
  if v_fresh then
    if v_record is null then
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

  record := v_record;
  if l.deleted_at is not null then
    if v_record is null then
      action := 'none';
    else
      -- Somebody gave a new record the id of one that is gone. It is a new object; the tombstone of the old one stays.
      l.external_id := null;
      l.hub_base := null;
      l.remote_base := null;
      l.overwritten := null;
      l.last_event_at := null;
      l.look_at := null;
      l.deleted_at := null;
      action := 'create';
    end if;
  elsif l.in_flight_op = 'create' then
    -- A create whose outcome nobody knows: the very same request again, whatever the record is now, so that the
    -- idempotency key finds the object that may exist already. What changed since goes out after it.
    action := 'create';
    record := l.in_flight;
  elsif l.external_id is null then
    action := case when v_record is null then 'none' else 'create' end;
  elsif v_record is null then
    action := 'delete';
  elsif (l.look_at is not null or l.in_flight_op = 'fetch') and l.in_flight_op is distinct from 'update' then
    action := 'fetch';
    l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
  else
    v_moved := sync.moved(l.hub_base, v_record, p_fields);
    base := v_record || sync.pick(l.hub_base, p_fields);
    if l.in_flight_op = 'update' then
      -- An update whose outcome nobody knows. Where the record still says what was sent, it is sent again; where it
      -- says something else, that goes out, and compares to what was sent.
      v_moved := v_moved || array(select f from jsonb_object_keys(l.in_flight) f where not f = any (v_moved));
      base := base || coalesce((select jsonb_object_agg(f.key, f.value) from jsonb_each(l.in_flight) f
                                 where f.value is distinct from coalesce(v_record -> f.key, 'null')), '{}');
    end if;
    action := case when v_moved = '{}' then 'none' else 'update' end;
  end if;

  if action = 'none' then
    delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';
    return next;
    return;
  end if;

  l.lease_token := nextval('sync.lease_token');
  l.lease_until := clock_timestamp() + p_lease;
  l.touched := false;
  l.in_flight_op := action;
  l.in_flight := case action when 'create' then record
                             when 'update' then sync.pick(v_record, v_moved)
                             when 'fetch'  then jsonb_build_object('edited_at', l.look_at) end;
  if action = 'fetch' then
    l.look_at := null; -- an event that comes while we read asks for another look
  end if;
  perform sync.save(l);

  token := l.lease_token;
  external_id := l.external_id;
  key_prefix := format('bactrian:%s:%s:%s', p_entity,
                       case when length(p_record_id) > 64 then md5(p_record_id) else p_record_id end, l.revision);
  return next;
end $$;

-- Ends a claim that reached the other system.
--
-- p_remote: the object's state there in canonical form; null when it is gone (deleted by us, or by somebody else);
-- p_at: the other system's clock at that state; p_stale: the state is that of an earlier answer (a replayed one).
-- Returns settled, gone, or lost: the lease was lost meanwhile, nothing is changed, and the record is looked at again.
create or replace function sync.settle(
  p_system text, p_entity text, p_record_id text, p_token bigint, p_external_id text,
  p_remote jsonb, p_at timestamptz, p_stale boolean, p_fields text[], p_policy text) returns text language plpgsql
  set lock_timeout = '5s' set enable_seqscan = off as $$
declare
  l        sync.link;
  v_op     text;
  v_sent   text[];
  v_merged record;
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

  if p_remote is null or exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity
                                    and t.external_id = coalesce(p_external_id, l.external_id)) then
    l := sync.bury(l, p_external_id, p_fields, case v_op when 'delete' then 'hub' else p_system end);
    perform sync.save(l);
    return 'gone';
  end if;

  if v_op in ('create', 'update') then
    v_sent := case v_op when 'update' then array(select jsonb_object_keys(l.in_flight)) end;
    l := sync.advance(l, p_external_id, p_remote, p_at, p_fields);
    if p_stale then
      l.look_at := greatest(l.look_at, p_at);
    elsif v_op = 'update' then
      -- The fields that were sent are settled; the answer also tells what others did to the rest meanwhile.
      v_merged := sync.merge(l, p_remote || sync.pick(l.remote_base, v_sent), p_at, p_fields, p_policy);
      l := v_merged.l;
    end if;
  elsif v_op = 'fetch' then
    v_merged := sync.merge(l, p_remote, (l.in_flight ->> 'edited_at')::timestamptz, p_fields, p_policy);
    l := v_merged.l;
    l.last_event_at := greatest(l.last_event_at, p_at);
    l.in_chain := false;
    l.in_flight_op := null;
    l.in_flight := null;
  end if; -- else the echo of our write came before its answer, and said the same
  l.lease_token := null;
  l.lease_until := null;
  delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id;
  perform sync.save(l);
  if l.touched or l.look_at is not null or sync.moved(l.hub_base, sync.read(p_entity, p_record_id), p_fields) <> '{}' then
    perform sync.poke(p_entity, p_record_id, p_system);
  end if;
  return 'settled';
end $$;

-- Ends a claim whose call failed. The record waits in sync.failure; its next change tries again by itself.
--
-- p_refused: the other system said no for good: nothing was written there, and only a person or another change of the
-- record can mend it. Otherwise nobody knows what happened: the same request is repeated after a growing pause, or
-- after p_retry_after seconds if the system said so.
create or replace function sync.fail(
  p_system text, p_entity text, p_record_id text, p_token bigint,
  p_refused boolean, p_code text, p_reason text, p_request_id text, p_retry_after numeric) returns text language plpgsql as $$
declare
  l sync.link;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if not found or l.lease_token is distinct from p_token then
    perform sync.poke(p_entity, p_record_id, p_system);
    return 'lost';
  end if;
  l.lease_token := null;
  l.lease_until := null;
  if l.in_flight_op = 'fetch' then
    l.look_at := coalesce(l.look_at, (l.in_flight ->> 'edited_at')::timestamptz);
  end if;
  if p_refused then
    l.in_flight_op := null;
    l.in_flight := null;
    l.revision := l.revision + 1; -- an answer is stored under its key: the next try needs a new one
  end if;
  perform sync.save(l);
  perform sync.record_failure(p_system, p_entity, p_record_id, 'out', p_refused, p_code, p_reason, p_request_id, p_retry_after);
  if l.touched then
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

-- Asks the systems concerned to look again at what waits: failures whose time has come, and leases whose holder died.
-- Returns how many. Several instances may call it at once.
create or replace function sync.retry_due() returns bigint language sql as $$
  with due as (
    update sync.failure f set next_attempt_at = clock_timestamp() + interval '1 minute'
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
-- object that is gone); deferred (not to be trusted: a worker reads the object); failed (kept in sync.failure).
create or replace function sync.apply_inbound(
  p_system text, p_entity text, p_event text, p_remote text, p_previous text, p_error text, p_fields text[], p_policy text)
returns text language plpgsql set lock_timeout = '5s' set enable_seqscan = off as $$
declare
  e         jsonb := p_event::jsonb;
  v_outcome text;
begin
  perform sync.lock_external(p_system, p_entity, e ->> 'external_id');
  if exists (select from sync.event where system = p_system and event_id = e ->> 'id') then
    return 'duplicate';
  end if;
  begin
    if p_error is not null then
      raise exception '%', p_error using errcode = 'data_exception';
    end if;
    v_outcome := sync.apply_event(p_system, p_entity, e, p_remote::jsonb, p_previous::jsonb, p_fields, p_policy);
  exception
    -- Ours to solve: nothing is stored, and the sender tries again.
    when lock_not_available or deadlock_detected or serialization_failure or query_canceled
         or insufficient_resources or operator_intervention then
      raise;
    when others then
      v_outcome := 'failed';
      perform sync.record_failure(p_system, p_entity, e ->> 'external_id', 'in', true, sqlstate, sqlerrm, e ->> 'id', null);
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
  v_ours        boolean     := starts_with(coalesce(e ->> 'key', ''), 'bactrian:' || p_entity || ':');
  l             sync.link;
  v_linked      boolean;
  v_successor   boolean;
  v_merged      record;
  v_written     record;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.external_id = v_external_id for update;
  v_linked := found;
  if not v_linked and e ->> 'hub_id' is not null then
    -- Not linked, but it points to a record: a create of ours whose answer has not come yet, or a hub that has lost its links.
    if sync.read(p_entity, e ->> 'hub_id') is not null then
      insert into sync.link (system, entity, record_id) values (p_system, p_entity, e ->> 'hub_id') on conflict do nothing;
    end if;
    select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = e ->> 'hub_id' for update;
    v_linked := found and (l.external_id is null or l.external_id = v_external_id);
  end if;

  if v_linked and l.deleted_at is not null
     or exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = v_external_id) then
    return 'tombstone';
  end if;

  if (e ->> 'deleted')::boolean then
    if v_linked then
      l := sync.bury(l, v_external_id, p_fields, p_system);
      perform sync.save(l);
    else
      insert into sync.tombstone (system, entity, external_id) values (p_system, p_entity, v_external_id);
    end if;
    return 'deleted';
  end if;

  if not v_linked then
    -- Made in the other system.
    select * into v_written from sync.write(p_system, p_entity, sync.pick(p_remote, p_fields), null);
    insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base, last_event_at, in_chain)
         values (p_system, p_entity, v_written.p_record_id, v_external_id, sync.pick(v_written.p_record, p_fields),
                 sync.pick(p_remote, p_fields), v_at, true);
    return 'created';
  end if;

  if v_ours and l.in_flight_op in ('create', 'update') and e ->> 'key' like '%:' || l.revision || ':%'
     or l.external_id is null and l.in_flight_op = 'create' and sync.moved(l.in_flight, p_remote, p_fields) = '{}' then
    -- The echo of our own write outran its answer: it is as good as the answer.
    l := sync.advance(l, v_external_id, p_remote, v_at, p_fields);
    perform sync.save(l);
    return 'echo';
  end if;
  if l.external_id is null and l.in_flight_op = 'create' then
    -- A later event outran the echo: the object exists, and somebody has edited it since.
    l := sync.advance(l, v_external_id, l.in_flight, v_at, p_fields);
    l.look_at := v_at;
    perform sync.save(l);
    perform sync.poke(p_entity, l.record_id, p_system);
    return 'deferred';
  end if;
  if l.external_id is null then
    l.external_id := v_external_id; -- never agreed on anything: merged without a base
    l.in_chain := false;
  elsif v_ours and v_at <= l.last_event_at then
    return 'echo';
  elsif sync.moved(l.remote_base, p_remote, sync.moved(p_previous, p_remote, p_fields)) = '{}' and p_previous is not null then
    return case when v_ours then 'echo' else 'unchanged' end; -- what it tells is known, whenever it happened
  end if;

  -- The direct successor of what we know is applied as it is. So is a later one, unless a write of ours is under way.
  -- Everything else is a hint that something happened: a worker reads the object.
  v_successor := p_previous is not null and sync.moved(l.remote_base, p_previous, p_fields) = '{}';
  if not v_ours and (l.last_event_at is null
                     or v_at > l.last_event_at and (v_successor or l.in_flight_op is null)
                     or v_at = l.last_event_at and v_successor and l.in_chain) then
    v_merged := sync.merge(l, p_remote, v_at, p_fields, p_policy);
    l := v_merged.l;
    l.in_chain := v_successor;
    l.last_event_at := v_at;
    perform sync.save(l);
    return v_merged.outcome;
  end if;

  if p_previous is not null and not v_ours then
    perform sync.note_overwritten(l, p_remote, p_previous, v_at, p_fields, p_policy);
  end if;
  l.look_at := greatest(l.look_at, v_at);
  perform sync.save(l);
  perform sync.poke(p_entity, l.record_id, p_system);
  return 'deferred';
end $$;

-- An event that comes late may tell of an edit that our last write replaced without knowing it: the two were made at
-- once. That is a conflict like any other. Where the remote's edit wins, the hub takes it, and sends it back.
create or replace function sync.note_overwritten(
  l sync.link, p_remote jsonb, p_previous jsonb, p_at timestamptz, p_fields text[], p_policy text) returns void language plpgsql as $$
declare
  v_record jsonb;
  v_field  text;
  v_winner text;
  v_take   jsonb := '{}';
begin
  foreach v_field in array sync.moved(p_previous, p_remote, p_fields) loop
    if l.overwritten ? v_field
       and l.overwritten -> v_field = coalesce(p_previous -> v_field, 'null')
       and l.remote_base -> v_field is distinct from coalesce(p_remote -> v_field, 'null') then
      v_record := coalesce(v_record, sync.read(l.entity, l.record_id, true));
      continue when v_record is null;
      v_winner := case when sync.moved(l.hub_base, v_record, array[v_field]) = '{}'
                       then sync.winner(p_policy, l.entity, v_record, p_at) else 'hub' end;
      insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
           values (l.system, l.entity, l.record_id, v_field, l.overwritten -> v_field, v_record -> v_field, p_remote -> v_field,
                   v_winner, 'edited on both sides, policy ' || p_policy);
      if v_winner = 'remote' then
        v_take := v_take || jsonb_build_object(v_field, p_remote -> v_field);
      end if;
    end if;
  end loop;
  if v_take <> '{}' then
    perform sync.write('', l.entity, v_take, l.record_id);
  end if;
end $$;

-- Forgets inbound events that no sender repeats any more.
create or replace function sync.prune(p_keep interval) returns bigint language sql as $$
  with gone as (delete from sync.event where received_at < now() - p_keep returning 1) select count(*) from gone;
$$;
