-- What becomes of a link. What is merged is decided by io.bactrian.engine.Merge.
-- Repeatable: every statement replaces what is there.

-- The policy for one field: 'newest, status: remote' is newest, but remote for status.
create or replace function sync.policy(p_policies text, p_field text) returns text language plpgsql immutable as $$
begin
  return coalesce((select btrim(split_part(p, ':', 2)) from string_to_table(p_policies, ',') p
                    where p like '%:%' and p_field = any (regexp_split_to_array(btrim(split_part(p, ':', 1)), '\s*\+\s*'))),
                  btrim(split_part(p_policies, ',', 1)));
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
