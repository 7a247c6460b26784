-- The three-way merge, and what becomes of a link. The rules it keeps: docs/how-it-works.md.
-- Repeatable: every statement replaces what is there.

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
  l.parked_at    := null;
  delete from sync.failure f where f.system = l.system and f.entity = l.entity and f.record_id = l.record_id;
end $$;

create or replace function sync.save(l sync.link) returns void language plpgsql as $$
begin
  update sync.link t
     set external_id = l.external_id, hub_base = l.hub_base, remote_base = l.remote_base, unechoed = l.unechoed,
         late_edits = l.late_edits, last_event_at = l.last_event_at, in_chain = l.in_chain, look_at = l.look_at,
         revision = l.revision, lease_token = l.lease_token, lease_until = l.lease_until, holder = l.holder, claimed_at = l.claimed_at,
         touched = l.touched, parked_at = l.parked_at, in_flight_at = case when l.in_flight_op is not null then l.in_flight_at end,
         find_first = l.find_first and l.in_flight_op is not distinct from 'create',
         in_flight_op = l.in_flight_op, in_flight = l.in_flight, in_flight_base = case l.in_flight_op when 'update' then l.in_flight_base end,
         deleted_at = l.deleted_at, deleted_by = l.deleted_by
   where t.system = l.system and t.entity = l.entity and t.record_id = l.record_id;
end $$;
