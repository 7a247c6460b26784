-- One outbound write at a time: what is known of a record, and what follows from a claim, an answer, or a call that failed. What is to be done is decided by
-- io.bactrian.engine: NextStep, Settlement, Refusal. The rules they keep: docs/how-it-works.md.
-- Repeatable: every statement replaces what is there.

drop function if exists sync.claim(text, text, text, text[], interval, text, text);
drop function if exists sync.claim_record(text, text, text, text[], interval, text, text);
drop function if exists sync.settle(text, text, text, bigint, text, jsonb, timestamptz, boolean, text[], text, jsonb);
drop function if exists sync.fail(text, text, text, bigint, text, boolean, boolean, boolean, text, text, text, text, numeric, jsonb, text);
drop function if exists sync.refuse(text);
drop function if exists sync.request_mark(text, jsonb, jsonb, jsonb);
drop function if exists sync.put_back(sync.link, jsonb, text[], text);
drop function if exists sync.makes_part(sync.link);
drop function if exists sync.deletes_part(sync.link);
drop function if exists sync.look_for_part(sync.link);
drop function if exists sync.seeks_part(sync.link);
drop function if exists sync.made_anew(sync.link);
drop function if exists sync.with_parts_as_made(sync.link, jsonb);
drop function if exists sync.describe_call(sync.link, text);
drop function if exists sync.one_call(text[], text[], text[]);
drop function if exists sync.merge(sync.link, jsonb, timestamptz, text[], text);
drop function if exists sync.advance(sync.link, text, jsonb, timestamptz, text[], text);
drop function if exists sync.to_do(sync.link, jsonb, text[], text);
drop function if exists sync.expect_echo(sync.link, text[], boolean);
drop function if exists sync.take_echo(sync.link, text, jsonb, jsonb, text);
drop function if exists sync.stands(sync.link, jsonb, text, jsonb);
drop function if exists sync.note_late_edit(sync.link, jsonb, text[], timestamptz, text);
drop function if exists sync.together(text, text);
drop function if exists sync.holds_less(jsonb, jsonb);
drop function if exists sync.edited(jsonb, jsonb, jsonb);
drop function if exists sync.is_cut(jsonb, jsonb, jsonb);
drop function if exists sync.left_to_remote(text, text[]);
drop function if exists sync.reckoned_anew(jsonb, jsonb);
drop function if exists sync.parts_as_known(sync.link, jsonb);
drop function if exists sync.winner(text, text, jsonb, timestamptz);
drop function if exists sync.unheld(jsonb, jsonb);
drop function if exists sync.parts_as_held(jsonb, jsonb);
drop function if exists sync.agreed_but_for_unheld(jsonb, jsonb, jsonb, jsonb);

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

-- The settings of a transaction that decides: times are spelled in UTC, plans are made once, and are those for large tables; whoever goes away in its midst leaves no locks.
create or replace function sync.begin_work(p_patience text) returns void language plpgsql as $$
begin
  perform set_config('timezone', 'UTC', true), set_config('enable_seqscan', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true),
          set_config('jit', 'off', true), set_config('idle_in_transaction_session_timeout', '30s', true), set_config('lock_timeout', p_patience, true);
end $$;

-- The link of a record that is about to be claimed, which is locked: made when the record is there; of an object that was left there when a delete was cancelled, too.
create or replace function sync.link_to_claim(p_system text, p_entity text, p_record_id text) returns sync.link language plpgsql as $$
declare
  l sync.link;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  if found or sync.read(p_entity, p_record_id) is null then
    return l;
  end if;
  insert into sync.link (system, entity, record_id, external_id, look_at)
  select p_system, p_entity, p_record_id, u.external_id, case when u.external_id is not null then 'epoch'::timestamptz end
    from (values (0)) one left join sync.unlinked u
      on u.system = p_system and u.entity = p_entity and u.record_id = p_record_id
     and not exists (select from sync.link o where o.system = p_system and o.entity = p_entity and o.external_id = u.external_id)
     and not exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = u.external_id)
  on conflict do nothing;
  delete from sync.unlinked u where u.system = p_system and u.entity = p_entity and u.record_id = p_record_id;
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  return l;
end $$;

-- What is known of a record that may have to be written, or was (p_token): its link is locked until the end of the transaction, whose settings it makes. Null when
-- there is nothing to do (token: the number of the write that may begin, clear: whether nothing stands in the way of that): its table is not tracked, it is gone and was never there, or, of one that was written, the lease is lost.
-- p_external_id: the object that the answer tells of; p_lease: how long a claim holds; p_patience: how long locks are waited for; p_row: whether the
-- row is read: a call that failed is kept whatever stands in the way of that.
create or replace function sync.load_record(p_system text, p_entity text, p_record_id text, p_token bigint, p_external_id text, p_lease interval, p_patience text, p_row boolean) returns jsonb
language plpgsql as $$
declare
  l     sync.link;
  v_now timestamptz := clock_timestamp();
begin
  perform sync.begin_work(p_patience);
  if p_token is null and sync.is_blocked(p_system, p_entity) then
    return '{"blocked": true}';
  elsif p_token is null and not sync.tracked(p_entity) then
    return null; -- a message from before sync.untrack
  elsif p_token is null then
    l := sync.link_to_claim(p_system, p_entity, p_record_id);
  else
    if p_external_id is not null then
      perform sync.lock_external(p_system, p_entity, p_external_id);
    end if;
    select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  end if;
  if l.record_id is null or l.lease_token is distinct from p_token and p_token is not null then
    if p_token is not null then
      perform sync.poke(p_entity, p_record_id, p_system);
    end if;
    delete from sync.failure f
     where p_token is null and f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out';
    return null;
  end if;
  return jsonb_build_object(
    'now', v_now, 'lease_until', v_now + p_lease, 'link', to_jsonb(l), 'record', case when p_row then sync.read(p_entity, p_record_id) end,
    'about', case when p_row then sync.about(p_system, p_entity) end,
    'policy', (select i.policy from sync.integration i where i.system = p_system and i.entity = p_entity),
    'paused_in', sync.is_paused_in(p_system), 'stopped_in', sync.is_stopped(p_system, p_entity, 'in'),
    'noted', sync.is_noted(l),
    'token', case when p_token is null then nextval('sync.lease_token') end,
    'clear', not exists (select from sync.system s where s.name = p_system and (s.out_paused_at is not null or s.open_since is not null))
             and not exists (select from sync.scope c where c.system = p_system and c.entity = p_entity and c.stopped_at is not null),
    'refused', (select to_jsonb(f.refused) from sync.failure f
                 where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out'),
    'failing', exists (select from sync.failure f
                        where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out'),
    'awaited', (l.external_id is null or l.deleted_at is not null) and l.in_flight_op is null and exists (
       select from sync.event e where e.system = p_system and e.waits_for is not null and e.entity = p_entity
          and (e.held ->> 'event')::jsonb ->> 'hub_id' = p_record_id),
    'gone', p_token is not null and exists (
       select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = coalesce(p_external_id, l.external_id)));
end $$;

-- A record that cannot be claimed, and why: somebody has its row, or its table cannot be seen. Returns waiting or parked.
create or replace function sync.refuse_claim(p_system text, p_entity text, p_record_id text, p_code text, p_message text) returns text language plpgsql as $$
declare
  v_reason text;
begin
  if p_code in ('55P03', '40P01') then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', 'locked', 'somebody has locked the row: it is tried again', null, null);
    return 'waiting';
  elsif p_code is not null and not sync.block(p_system, p_entity) then
    perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', p_code, p_message, null, null);
    return 'waiting';
  end if;
  insert into sync.link (system, entity, record_id) values (p_system, p_entity, p_record_id) on conflict do nothing;
  perform sync.park(p_system, p_entity, p_record_id);
  select b.reason into v_reason from sync.blocked b where b.system = p_system and b.entity = p_entity;
  perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'permanent', 'blocked', v_reason, null, null);
  return 'parked';
end $$;

-- A number for the lease of a write that is about to begin, larger than all before. Null when the system may not be called now: the record is parked.
create or replace function sync.begin_call(p_system text, p_entity text, p_record_id text, p_action text, p_instance text, p_first_contact text)
returns bigint language plpgsql as $$
declare
  v_token bigint := nextval('sync.lease_token');
begin
  if sync.may_touch(p_system, p_entity, case p_action when 'fetch' then 'in' else 'out' end, v_token) and sync.may_call(p_system, v_token)
     and not (p_action = 'create' and p_first_contact <> 'off' and sync.meets_soon(p_system, p_entity, p_instance)) then
    return v_token;
  end if;
  perform sync.park(p_system, p_entity, p_record_id);
  delete from sync.failure f -- what it refers to is there by now
   where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out' and f.code = 'reference';
  return null;
end $$;

-- A record waits for another one, entity/id, to have an object there. That one is asked for once: many may wait for it.
create or replace function sync.wait_for(p_system text, p_entity text, p_record_id text, p_missing text, p_reason text) returns void language plpgsql as $$
begin
  if not exists (select from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id and t.waits_for = p_missing) then
    update sync.link t set waits_for = p_missing where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id;
    perform sync.poke(split_part(p_missing, '/', 1), substr(p_missing, strpos(p_missing, '/') + 1), p_system);
  end if;
  perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'transient', 'reference', p_reason, null, null);
end $$;

-- What follows for a system from a call that failed; p_making: it may have made something, p_creating: the record itself. Returns {class, reason, key_spent, open}: as
-- they are now known to be, and whether the system is taken to be away.
create or replace function sync.blame(
  p_system text, p_entity text, p_record_id text, p_token bigint, p_class text, p_key_spent boolean, p_unanswered boolean, p_down boolean, p_slow_down text, p_code text,
  p_reason text, p_permission text, p_direction text, p_making boolean, p_creating boolean) returns jsonb language plpgsql as $$
begin
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
  perform sync.end_probe(p_system, p_token, not p_unanswered), sync.end_scope_probe(p_system, p_token, p_class = 'permanent');
  if p_class = 'denied' and not p_making and sync.is_refused_alone(p_system, p_entity, p_direction, p_record_id) then
    p_class := 'permanent';
    p_reason := 'others of its kind are not refused, but this one is: ' || p_reason;
  elsif p_class = 'denied' then
    perform sync.stop_scope(p_system, p_entity, p_direction, p_permission, p_reason, case when p_creating then '' else p_record_id end);
  elsif p_class = 'fatal' then
    perform sync.pause(p_system, 'out', p_reason);
  end if;
  return jsonb_build_object('class', p_class, 'reason', p_reason, 'key_spent', p_key_spent,
                            'open', exists (select from sync.system s where s.name = p_system and s.open_since is not null));
end $$;

-- Keeps what became of a record, and all that follows from it: see io.bactrian.store.RecordTransaction, which makes p.
create or replace function sync.store_record(p jsonb) returns void language plpgsql as $$
begin
  perform sync.save(l) from jsonb_populate_recordset(null::sync.link, p -> 'links') l;
  perform sync.release(l) from jsonb_populate_recordset(null::sync.link, p -> 'released') l;
  insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
  select c ->> 'system', c ->> 'entity', c ->> 'record_id', c ->> 'field', c -> 'base', c -> 'local', c -> 'remote', c ->> 'winner', c ->> 'reason'
    from jsonb_array_elements(p -> 'conflicts') c;
  delete from sync.failure f using jsonb_array_elements(p -> 'fit') g
   where f.system = g ->> 'system' and f.entity = g ->> 'entity' and f.record_id = g ->> 'record_id' and f.direction = g ->> 'direction'
     and (f.class <> 'transient' or not coalesce((g ->> 'lasting_only')::boolean, false)) and f.code = coalesce(g ->> 'code', f.code);
  perform sync.note(n ->> 'entity', n ->> 'record_id', n ->> 'system', n ->> 'kind', n ->> 'what', nullif(n -> 'details', 'null')) from jsonb_array_elements(p -> 'notes') n;
  perform sync.poke(k ->> 'entity', k ->> 'record_id', k ->> 'system') from jsonb_array_elements(p -> 'pokes') k;
  perform sync.end_probe(a ->> 'system', (a ->> 'token')::bigint, true), sync.end_scope_probe(a ->> 'system', (a ->> 'token')::bigint, true)
     from jsonb_array_elements(p -> 'answered') a;
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

-- The whole was read: a part that is not in it was never made, or is gone, whatever was thought of it. Takes and returns the link.
create or replace function sync.miss_parts(p_link jsonb) returns jsonb language plpgsql as $$
declare
  l sync.link := jsonb_populate_record(null::sync.link, p_link);
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
  return to_jsonb(l);
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

