-- The three-way merge, and what becomes of a link. The rules it keeps: docs/how-it-works.md.
-- Repeatable: every statement replaces what is there.

-- The policy for one field: 'newest, status: remote' is newest, but remote for status.
create or replace function sync.policy(p_policies text, p_field text) returns text language plpgsql immutable as $$
begin
  return coalesce((select btrim(split_part(p, ':', 2)) from string_to_table(p_policies, ',') p
                    where p like '%:%' and p_field = any (regexp_split_to_array(btrim(split_part(p, ':', 1)), '\s*\+\s*'))),
                  btrim(split_part(p_policies, ',', 1)));
end $$;

-- The fields that the policy decides together with one, that one among them: 'newest, unit_amount + currency: newest' never
-- takes the amount of one side and the currency of the other.
create or replace function sync.together(p_policies text, p_field text) returns text[] language plpgsql immutable as $$
begin
  if p_policies not like '%+%' then
    return array[p_field];
  end if;
  return coalesce((select g.fields
                     from string_to_table(p_policies, ',') p, lateral (select regexp_split_to_array(btrim(split_part(p, ':', 1)), '\s*\+\s*') as fields) g
                    where p like '%:%' and p_field = any (g.fields)), array[p_field]);
end $$;

-- Whether a field is the remote's alone: it is never sent, and an edit here is put back. 'tax: in' always; 'number: in except draft' unless
-- the status that the remote last told is draft, or there is no object yet.
create or replace function sync.belongs_there(p_policies text, p_field text, p_remote_base jsonb) returns boolean language plpgsql immutable as $$
declare
  v_policy text;
begin
  if p_policies is null or p_policies !~ ':\s*(in|once)' then
    return false;
  end if;
  v_policy := sync.policy(p_policies, p_field);
  return v_policy in ('in', 'once')
      or v_policy like 'in except %' and coalesce(p_remote_base ->> 'status', substr(v_policy, 11)) <> substr(v_policy, 11);
end $$;

-- The fields in which a record differs from what was agreed on, and that matter: not what the remote alone tells, and has not told yet.
create or replace function sync.to_do(l sync.link, p_record jsonb, p_fields text[], p_policies text) returns text[] language plpgsql immutable as $$
declare
  v_fields text[] := sync.fields(p_fields, l.hub_base, p_record);
begin
  return array(select f from unnest(sync.moved(l.hub_base, p_record, v_fields)) f
                where p_record is null or coalesce(l.remote_base -> f, 'null') <> 'null' or not sync.belongs_there(p_policies, f, l.remote_base));
end $$;

-- Whether the remote holds a part of the hub's value only: a text that was cut for it.
create or replace function sync.holds_less(p_remote jsonb, p_hub jsonb) returns boolean language plpgsql immutable as $$
begin
  return coalesce(jsonb_typeof(p_remote) = 'string' and jsonb_typeof(p_hub) = 'string' and p_remote <> '""'
                  and length(rtrim(p_hub #>> '{}')) > length(p_remote #>> '{}') and starts_with(p_hub #>> '{}', rtrim(p_remote #>> '{}')), false);
end $$;

-- A value of the hub's after an edit of the remote's: of an object only the keys that moved there.
create or replace function sync.edited(p_hub jsonb, p_from jsonb, p_to jsonb) returns jsonb language plpgsql immutable as $$
begin
  if jsonb_typeof(p_hub) is distinct from 'object' or jsonb_typeof(p_from) is distinct from 'object' or jsonb_typeof(p_to) is distinct from 'object' then
    return p_to;
  end if;
  return (p_hub - array(select k from jsonb_object_keys(p_from) k where not p_to ? k))
      || (select coalesce(jsonb_object_agg(t.key, t.value), '{}') from jsonb_each(p_to) t where p_from -> t.key is distinct from t.value);
end $$;

-- What of the hub's value nobody saw who edited it there: the whole text, or a key of an object, of which the remote holds a part only.
create or replace function sync.is_cut(p_hub jsonb, p_from jsonb, p_to jsonb) returns boolean language plpgsql immutable as $$
begin
  if jsonb_typeof(p_hub) = 'object' and jsonb_typeof(p_from) = 'object' and jsonb_typeof(p_to) = 'object' then
    return exists (select from jsonb_each(p_to) t where p_from -> t.key is distinct from t.value and sync.holds_less(p_from -> t.key, p_hub -> t.key));
  end if;
  return sync.holds_less(p_from, p_hub);
end $$;

-- The fields that the policy leaves to the remote by name ('status: remote', 'tax: in'): what it makes of them stands, also when it is not
-- what we sent.
create or replace function sync.left_to_remote(p_policies text, p_fields text[]) returns text[] language plpgsql immutable as $$
begin
  if p_policies not like '%:%' then
    return '{}';
  end if;
  return array(select f from unnest(p_fields) f where sync.policy(p_policies, f) in ('remote', 'in') and sync.policy(p_policies, '') <> 'remote');
end $$;

-- The parts in which the remote has made another number of one that was sent: that is no way to spell it, but what it is worth there.
create or replace function sync.reckoned_anew(p_sent jsonb, p_remote jsonb) returns text[] language plpgsql immutable as $$
begin
  return (select coalesce(array_agg(f.key), '{}')
      from jsonb_each(p_sent) f
     where f.key like '%/%' and jsonb_typeof(f.value) = 'object' and jsonb_typeof(p_remote -> f.key) = 'object'
       and exists (select from jsonb_each(f.value) n
                    where jsonb_typeof(n.value) = 'number' and jsonb_typeof(p_remote -> f.key -> n.key) = 'number' and p_remote -> f.key -> n.key <> n.value));
end $$;

-- Of parts that were sent, what the remote makes of them but for the keys that were not in the request: an answer that tells another value of one than was
-- known before tells of somebody's edit.
create or replace function sync.parts_as_known(l sync.link, p_remote jsonb) returns jsonb language plpgsql immutable as $$
begin
  return (select coalesce(jsonb_object_agg(f.key, (p_remote -> f.key) || u.known), '{}')
      from jsonb_each(case when l.in_flight_op = 'update' then l.in_flight end) f
      cross join lateral (
        select coalesce(jsonb_object_agg(k.key, l.remote_base -> f.key -> k.key), '{}') as known
          from jsonb_each(case when jsonb_typeof(p_remote -> f.key) = 'object' then p_remote -> f.key end) k
         where coalesce(l.in_flight_base -> f.key, l.hub_base -> f.key) -> k.key = f.value -> k.key
           and l.remote_base -> f.key -> k.key <> k.value) u
     where f.key like '%/%' and u.known <> '{}');
end $$;

-- A state without what the policy takes once ('hosted_url: once'), because the remote spells it anew each time: that stays as it was
-- first told, for as long as there is one.
create or replace function sync.keep_once(p_policies text, p_state jsonb, p_base jsonb) returns jsonb language plpgsql immutable as $$
declare
  v_field text;
begin
  if p_policies ~ ':\s*once' and p_base is not null then
    for v_field in select f from jsonb_object_keys(p_state) f where sync.policy(p_policies, f) = 'once' loop
      if p_state -> v_field <> 'null' and coalesce(p_base -> v_field, 'null') <> 'null' then
        p_state := p_state || jsonb_build_object(v_field, p_base -> v_field);
      end if;
    end loop;
  end if;
  return p_state;
end $$;

-- Who wins a field that both sides changed: 'hub' or 'remote'. p_at is the remote's clock, to the second, so an edit
-- of the same second counts as the older one.
create or replace function sync.winner(p_policy text, p_entity text, p_record jsonb, p_at timestamptz) returns text
language plpgsql stable as $$
begin
  return case regexp_replace(p_policy, '^in except .*', 'newest')
    when 'hub' then 'hub'
    when 'out' then 'hub'
    when 'in' then 'remote'
    when 'remote' then 'remote'
    when 'once' then 'remote'
    when 'newest' then
      case when (select has_updated_at from sync.entity where name = p_entity) and p_at > (p_record ->> 'updated_at')::timestamptz
           then 'remote' else 'hub' end
    else sync.refuse(format('unknown conflict policy %s: use newest, hub, remote, once, in or out', p_policy))
  end;
end $$;

create or replace function sync.refuse(p_message text) returns text language plpgsql as $$
begin
  raise exception '%', p_message;
end $$;

-- The references of parts that the hub has, and the remote does not hold (Stripe keeps no product for a credit): of each part their names, with null.
create or replace function sync.unheld(p_hub jsonb, p_remote jsonb) returns jsonb language plpgsql stable as $$
begin
  return (select coalesce(jsonb_object_agg(f.key, r.missing), '{}')
            from jsonb_each(p_hub) f
            join sync.entity e on e.name = split_part(f.key, '/', 1)
            cross join lateral (
              select coalesce(jsonb_object_agg(k, null), '{}') as missing from jsonb_object_keys(e.refs) k
               where f.value ->> k is not null and p_remote -> f.key ->> k is null) r
           where f.key like '%/%' and jsonb_typeof(f.value) = 'object' and jsonb_typeof(p_remote -> f.key) = 'object' and r.missing <> '{}');
end $$;

-- Parts that were taken, as agreed on: what the remote does not hold was not, and goes out once it can be held.
create or replace function sync.parts_as_held(p_agreed jsonb, p_remote jsonb) returns jsonb language plpgsql stable as $$
begin
  return (select coalesce(jsonb_object_agg(u.key, p_agreed -> u.key || u.value), '{}') from jsonb_each(sync.unheld(p_agreed, p_remote)) u);
end $$;

-- What was agreed on, for a merge: a reference that only waits until the remote can hold it, which it does not yet, is no edit of the hub's.
create or replace function sync.agreed_but_for_unheld(p_hub_base jsonb, p_record jsonb, p_remote_base jsonb, p_remote jsonb) returns jsonb language plpgsql stable as $$
begin
  return p_hub_base || (
    select coalesce(jsonb_object_agg(u.key, p_hub_base -> u.key || w.waiting), '{}')
      from jsonb_each(sync.unheld(p_record, p_remote_base)) u
      cross join lateral (
        select coalesce(jsonb_object_agg(k, p_record -> u.key -> k), '{}') as waiting from jsonb_object_keys(u.value) k
         where p_hub_base -> u.key ->> k is null and p_remote -> u.key ->> k is null) w
     where jsonb_typeof(p_hub_base -> u.key) = 'object');
end $$;

-- The three-way merge of a state of the remote into the hub, field by field. Changes the record where the remote moved,
-- keeps the hub's where only the hub did, records a conflict where both did. Returns the link with its bases advanced.
--
-- p_remote: the remote's state in canonical form; p_edited_at: when the remote was edited, for the policy.
create or replace function sync.merge(
  inout l sync.link, p_remote jsonb, p_edited_at timestamptz, p_fields text[], p_policy text, out outcome text) language plpgsql as $$
declare
  v_record      jsonb := sync.read(l.entity, l.record_id, true);
  v_hub_base    jsonb := l.hub_base;
  v_take        jsonb := '{}';
  v_taken       text[] := '{}';
  v_agreed      jsonb := '{}';
  v_field       text;
  v_fields      text[] := sync.moved(l.remote_base, p_remote, p_fields);
  v_together    text[];
  v_hub         jsonb;
  v_remote      jsonb;
  v_remote_base jsonb;
  v_winner      text;
  v_written     record;
begin
  perform sync.check_columns(l.system, l.entity, v_record);
  outcome := 'unchanged';
  if array_to_string(v_fields, ',') like '%/%' then
    v_hub_base := sync.agreed_but_for_unheld(l.hub_base, v_record, l.remote_base, p_remote);
  end if;
  if p_policy like '%+%' and v_record is not null then
    v_fields := array(select distinct t from unnest(v_fields) f, unnest(sync.together(p_policy, f)) t
                       where t = any (v_fields) or t = any (sync.moved(v_hub_base, v_record, sync.together(p_policy, f))));
  end if;
  foreach v_field in array v_fields loop
    v_together    := array(select t from unnest(sync.together(p_policy, v_field)) t where t = any (v_fields));
    v_hub         := coalesce(v_record -> v_field, 'null');
    v_remote      := coalesce(p_remote -> v_field, 'null');
    v_remote_base := coalesce(l.remote_base -> v_field, 'null');
    if v_record is null then -- deleted in the hub: the delete wins, and goes out
      insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
           values (l.system, l.entity, l.record_id, v_field, v_remote_base, null, v_remote, 'hub',
                   'deleted in the hub, edited in ' || l.system);
      outcome := 'conflict';
    elsif sync.policy(p_policy, v_field) = 'out' and v_hub <> v_remote then
      insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
           values (l.system, l.entity, l.record_id, v_field, v_remote_base, v_hub, v_remote, 'hub', 'it belongs to the hub: put back in ' || l.system);
      v_agreed := v_agreed || jsonb_build_object(v_field, v_remote); -- what the hub now differs from
      outcome := 'conflict';
    elsif v_remote_base = 'null' and sync.policy(p_policy, v_field) in ('in', 'once') then
      v_take := v_take || jsonb_build_object(v_field, v_remote); -- until now the hub had to reckon
      v_taken := v_taken || v_field;
    elsif sync.moved(v_hub_base, v_record, v_together) = '{}' then
      if sync.is_cut(v_hub, v_remote_base, v_remote) then
        insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
             values (l.system, l.entity, l.record_id, v_field, v_remote_base, v_hub, v_remote, 'remote',
                     'edited in ' || l.system || ', which holds a part of it only');
        outcome := 'conflict';
      end if;
      v_take := v_take || jsonb_build_object(v_field, sync.edited(v_hub, v_remote_base, v_remote));
      v_taken := v_taken || v_field;
    elsif sync.moved(v_record, p_remote, v_together) = '{}' then
      v_agreed := v_agreed || jsonb_build_object(v_field, v_hub);
    else
      v_winner := case when v_field like '%/%' and v_hub = 'null' then 'hub' -- of a part, too, a delete wins
                       when v_field like '%/%' and v_remote = 'null' or sync.belongs_there(p_policy, v_field, p_remote) then 'remote'
                       else sync.winner(sync.policy(p_policy, v_field), l.entity, v_record, p_edited_at) end;
      insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
      select l.system, l.entity, l.record_id, v_field, v_remote_base, v_hub, v_remote, v_winner,
             'edited on both sides, policy ' || sync.policy(p_policy, v_field)
       where v_hub <> v_remote;
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
    if sync.moved(v_record, v_written.p_record, array(select f from unnest(p_fields) f where f <> all (v_taken))) <> '{}' then
      perform sync.poke(l.entity, l.record_id, l.system); -- a trigger of the hub's has changed more than was taken
    end if;
    v_record := v_written.p_record;
    -- A part that could not be written, because its row is another record's by now, is still to be deleted there.
    v_agreed := v_agreed || sync.pick(v_record, array(select f from unnest(v_taken) f
                                                       where v_take -> f = 'null' or f not like '%/%' or v_record ? f));
    if array_to_string(v_taken, ',') like '%/%' and sync.parts_as_held(v_agreed, p_remote) <> '{}' then
      v_agreed := v_agreed || sync.parts_as_held(v_agreed, p_remote);
      perform sync.poke(l.entity, l.record_id, l.system);
    end if;
    outcome := case outcome when 'conflict' then 'conflict' else 'applied' end;
  end if;
  l.hub_base    := coalesce(l.hub_base, '{}') || v_agreed;
  l.remote_base := sync.pick(p_remote, p_fields);
end $$;

-- Takes what a write of ours achieved into the bases: the hub's side by what was sent, the remote's by how it spells
-- it. Called by whoever learns of it first, the answer or the event. What a create did not send, because it goes out by calls
-- of its own, is what the remote made of it.
create or replace function sync.advance(
  inout l sync.link, p_external_id text, p_remote jsonb, p_at timestamptz, p_fields text[], p_policy text) language plpgsql as $$
declare
  v_sent   text[] := array(select f from unnest(p_fields) f where l.in_flight ? f);
  v_unsent text[] := array(select f from unnest(p_fields) f
                            where l.in_flight_op = 'create' and not l.in_flight ? f);
begin
  l := sync.expect_echo(l, v_sent, false);
  l.external_id   := coalesce(p_external_id, l.external_id);
  l.hub_base      := coalesce(l.hub_base, '{}') || sync.pick(l.in_flight, v_sent) || sync.pick(p_remote, v_unsent);
  l.remote_base   := coalesce(l.remote_base, '{}') || sync.pick(p_remote, v_sent || v_unsent) || sync.parts_as_known(l, p_remote)
                     || sync.pick(l.in_flight, sync.left_to_remote(p_policy, v_sent) || sync.reckoned_anew(l.in_flight, p_remote)); -- what differs from that is the remote's edit
  if l.in_flight_op = 'create' then
    perform sync.release(l);
  end if;
  l.last_event_at := greatest(l.last_event_at, p_at);
  l.in_chain      := false;
  l.revision      := l.revision + 1;
  l.in_flight_op  := null;
  l.in_flight     := null;
end $$;

-- This record has an object now: asks for the records that wait for that, and for another look at those with a part that came
-- without it.
create or replace function sync.release(l sync.link) returns void language plpgsql set row_security = off as $$
declare
  v       record;
  p       sync.entity;
  v_whole text;
begin
  perform sync.poke(w.entity, w.record_id, w.system)
     from sync.link w where w.system = l.system and w.waits_for = l.entity || '/' || l.record_id;
  for v in
    update sync.link w set waits_for = null where w.system = l.system and w.waits_for = ':' || l.entity || '/' || l.external_id
    returning w.entity, w.record_id
  loop
    select * into p from sync.entity e where e.name = v.entity and e.part_of is not null;
    continue when not found;
    execute format('select %I::text from %s where %I = $1::%s', p.part_key, p.relation, p.key_column, p.key_type) into v_whole using v.record_id;
    update sync.link w set look_at = coalesce(w.look_at, 'epoch')
     where w.system = l.system and w.entity = p.part_of and w.record_id = v_whole and w.external_id is not null and w.deleted_at is null;
    if found then
      perform sync.poke(p.part_of, v_whole, l.system);
    end if;
  end loop;
end $$;

-- The record is gone, and nothing that comes late brings it back. p_by: hub when that is where it was deleted; else the
-- system, and the hub's record follows, with values that were edited there meanwhile kept in sync.conflict.
create or replace function sync.bury(inout l sync.link, p_external_id text, p_fields text[], p_by text) language plpgsql as $$
declare
  v_record jsonb;
  v_base   jsonb := case l.in_flight_op when 'create' then l.in_flight else l.hub_base end;
begin
  if p_by <> 'hub' and l.deletion is distinct from 'kept' then
    v_record := sync.read(l.entity, l.record_id, true);
    insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
    select l.system, l.entity, l.record_id, f, v_base -> f, v_record -> f, null, 'remote',
           'deleted in ' || l.system || ', edited in the hub'
      from unnest(sync.moved(v_base, v_record, sync.fields(p_fields, v_base, v_record))) f
     where v_record is not null and (l.in_flight_op is distinct from 'create' or v_base ? f)
       and not sync.belongs_there((select i.policy from sync.integration i where i.system = l.system and i.entity = l.entity), f, null);
    perform sync.erase(l.system, l.entity, l.record_id);
  end if;
  insert into sync.tombstone (system, entity, external_id, record_id)
       values (l.system, l.entity, coalesce(p_external_id, l.external_id), l.record_id)
  on conflict do nothing;
  l.external_id  := coalesce(p_external_id, l.external_id);
  l.deleted_at   := now();
  l.deleted_by   := p_by;
  l.deletion     := case when l.deletion = 'confirmed' then l.deletion end; -- it counts no more
  l.revision     := l.revision + 1;
  l.look_at      := null;
  l.lease_token  := null;
  l.lease_until  := null;
  l.in_flight_op := null;
  l.in_flight    := null;
  l.parked_at    := null;
  l.waits_for    := null;
  delete from sync.failure f where f.system = l.system and f.entity = l.entity and f.record_id = l.record_id;
end $$;

-- Parts whose objects are gone leave tombstones. An object that the same row is made into again is another one.
create or replace function sync.forget_parts(l sync.link) returns void language plpgsql as $$
declare
  v_gone bigint;
begin
  with gone as (
    delete from sync.link p
     using sync.entity e, sync.link t
     where e.part_of = l.entity and p.system = l.system and p.entity = e.name and p.whole = l.record_id
       and t.system = l.system and t.entity = l.entity and t.record_id = l.record_id
       and (l.deleted_at is not null
            or coalesce(t.remote_base -> (p.entity || '/' || p.record_id), 'null') <> 'null'
               and coalesce(l.remote_base -> (p.entity || '/' || p.record_id), 'null') = 'null')
    returning p.system, p.entity, p.external_id, p.record_id), buried as (
    insert into sync.tombstone (system, entity, external_id, record_id) select * from gone where external_id is not null on conflict do nothing)
  select count(*) into v_gone from gone;
  if v_gone > 0 then
    perform sync.release(l); -- a part may have moved to a record that waits for that
  end if;
end $$;

create or replace function sync.save(l sync.link) returns void language plpgsql as $$
begin
  if exists (select from sync.entity e where e.name = l.entity and e.parts <> '{}') then
    perform sync.forget_parts(l);
  end if;
  update sync.link t
     set external_id = l.external_id, hub_base = l.hub_base, remote_base = l.remote_base, unechoed = l.unechoed,
         late_edits = l.late_edits, last_event_at = l.last_event_at, in_chain = l.in_chain, look_at = l.look_at,
         revision = l.revision, lease_token = l.lease_token, lease_until = l.lease_until, holder = l.holder, claimed_at = l.claimed_at,
         touched = l.touched, parked_at = l.parked_at, waits_for = l.waits_for, in_flight_at = case when l.in_flight_op is not null then l.in_flight_at end,
         find_first = l.find_first and l.in_flight_op is not distinct from 'create',
         in_flight_op = l.in_flight_op, in_flight = l.in_flight, in_flight_base = case when l.in_flight_op in ('create', 'update') then l.in_flight_base end,
         deleted_at = l.deleted_at, deleted_by = l.deleted_by, deletion = l.deletion
   where t.system = l.system and t.entity = l.entity and t.record_id = l.record_id;
end $$;
