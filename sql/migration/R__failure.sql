-- What waits: failures, their retries, and leases whose holder died.
-- Repeatable: every statement replaces what is there.

-- Keeps why a record is not in sync with a system at present. What is transient is tried again after a pause, which
-- doubles from one second to five minutes, with up to a half of jitter; or after p_retry_after seconds, an hour at most.
create or replace function sync.record_failure(
  p_system text, p_entity text, p_record_id text, p_direction text,
  p_class text, p_code text, p_reason text, p_request_id text, p_retry_after numeric) returns void language sql as $$
  insert into sync.failure as f (system, entity, record_id, direction, class, next_attempt_at, code, reason, request_id)
       values (p_system, p_entity, p_record_id, p_direction, p_class,
               case p_class when 'transient' then
                 clock_timestamp() + make_interval(secs => coalesce(case when p_retry_after > 3600 then 3600 else p_retry_after end::float8, 1 + random() / 2)) end,
               p_code, left(p_reason, 1000), p_request_id)
  on conflict (system, entity, record_id, direction) do update
     set attempts = f.attempts + 1, last_at = clock_timestamp(), class = excluded.class,
         next_attempt_at = case p_class when 'transient' then clock_timestamp() + make_interval(secs =>
           coalesce(case when p_retry_after > 3600 then 3600 else p_retry_after end::float8, least(300, 2 ^ least(f.attempts, 10)) * (1 + random() / 2))) end,
         code = excluded.code, reason = excluded.reason, request_id = excluded.request_id, refused = null;
$$;

-- A sentence of somebody else's (a trigger's, say) without the e-mail addresses that it quotes.
create or replace function sync.without_addresses(p_text text) returns text language sql immutable as $$
  select regexp_replace(p_text, '[^[:space:]"''(<]+@[^[:space:]"'')>,;]+', '…', 'g');
$$;

-- What Postgres said, without personal data: what does not fit a type is quoted.
create or replace function sync.without_values(p_sqlstate text, p_message text) returns text language sql immutable as $$
  select case when left(p_sqlstate, 2) = '22' and p_sqlstate <> '22000'
              then regexp_replace(p_message, '"[^"]*"', '"…"', 'g') else sync.without_addresses(p_message) end;
$$;

-- Keeps that Postgres does not take what is to become of a record here before it can be sent. False when that is the id of none.
create or replace function sync.keep_refusal(p_system text, p_entity text, p_record_id text, p_sqlstate text, p_message text) returns boolean language plpgsql as $$
begin
  if sync.id(p_entity, p_record_id) is null then
    return false;
  end if;
  perform sync.record_failure(p_system, p_entity, p_record_id, 'out', 'permanent', p_sqlstate,
    format('its row cannot be what it has to be before it is sent: %s: mend the row or the table, then select sync.retry(%L, %L, %L)',
           left(sync.without_values(p_sqlstate, p_message), 600), p_system, p_entity, p_record_id), null, null);
  return true;
end $$;

-- Keeps why something that came in cannot be applied. What is ours to solve and may succeed next time is raised again:
-- nothing is stored then, and whoever called calls again. Called from exception handlers only.
create or replace function sync.keep_failure(
  p_system text, p_entity text, p_record_id text, p_sqlstate text, p_message text, p_request_id text) returns void language plpgsql as $$
declare
  v_reason text := sync.without_values(p_sqlstate, p_message);
begin
  if p_sqlstate in ('55P03', '40P01', '40001', '57014', 'BA002') or left(p_sqlstate, 2) in ('08', '53', '57', '58', 'XX') then
    raise exception '%', p_message using errcode = p_sqlstate;
  end if;
  perform sync.record_failure(p_system, p_entity, p_record_id, 'in', 'permanent', p_sqlstate, v_reason, p_request_id, null);
  perform sync.note(p_entity, p_record_id, p_system, 'note', 'what came from ' || p_system || ' does not fit the hub: ' || left(v_reason, 1000),
                    jsonb_build_object('code', p_sqlstate));
end $$;

-- Asks the systems concerned to look again at what waits: failures whose time has come, and leases that ran out or whose
-- holder died. Returns how many. Several instances may call it at once.
create or replace function sync.retry_due(p_instance text) returns bigint language plpgsql as $$
declare
  v_count bigint;
begin
  -- Whoever has missed five seconds of beats is dead, in the eyes of one who has not missed any.
  with due as (
    update sync.failure f set next_attempt_at = clock_timestamp() + interval '10 minutes' -- unless its worker says otherwise
     where (f.system, f.entity, f.record_id, f.direction) in (
             select d.system, d.entity, d.record_id, d.direction from sync.failure d
              where d.next_attempt_at <= clock_timestamp() order by d.next_attempt_at limit 500 for update skip locked)
    returning f.system, f.entity, f.record_id
  ), stranded as (
    update sync.link l set lease_token = null, lease_until = null, touched = false
     where (l.system, l.entity, l.record_id) in (
             select s.system, s.entity, s.record_id from sync.link s
              where s.lease_until < clock_timestamp()
                 or s.lease_until is not null
                    and exists (select from sync.instance me where me.id = p_instance and me.steady_since < clock_timestamp() - interval '5 seconds')
                    and not exists (select from sync.instance i where i.id = s.holder and i.seen_at > clock_timestamp() - interval '5 seconds')
              order by s.lease_until limit 500 for update skip locked)
    returning l.system, l.entity, l.record_id
  )
  select count(sync.poke(w.entity, w.record_id, w.system)) into v_count from (select * from due union select * from stranded) w;
  return v_count;
end $$;

-- What was refused for these records is asked for once more, though nothing of it has changed.
create or replace function sync.forget_refusals(p_system text, p_entity text, p_record_ids text[]) returns void language sql as $$
  update sync.failure f set refused = null
   where f.system = p_system and f.entity = p_entity and f.record_id = any (p_record_ids) and f.direction = 'out' and f.refused is not null;
$$;

-- Tries again at once what waits for a person: to send the record, and to apply what came in. Says what it does.
create or replace function sync.retry(p_system text, p_entity text, p_record_id text) returns text language plpgsql as $$
declare
  v_failed record;
begin
  if not exists (select from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id) then
    return 'there is no failure of that record';
  end if;
  update sync.link l set look_at = coalesce(l.look_at, clock_timestamp())
   where l.system = p_system and l.entity = p_entity and l.record_id = p_record_id and l.external_id is not null
     and exists (select from sync.failure f
                  where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'in');
  if found or exists (select from sync.failure f
                       where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'out') then
    perform sync.forget_refusals(p_system, p_entity, array[p_record_id]);
    perform sync.poke(p_entity, p_record_id, p_system);
    return 'a worker looks at it now';
  end if;
  -- About an object that has no record here: what came last is applied again.
  select * into v_failed from sync.event e
   where e.system = p_system and e.entity = p_entity and e.external_id = p_record_id and e.outcome in ('failed', 'waiting') and e.held is not null
   order by e.created desc, e.received_at desc limit 1;
  if not found then
    return 'what came in is not kept any more: change the object, or reconcile';
  end if;
  delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.direction = 'in';
  update sync.event e set outcome = 'held' where e.system = p_system and e.event_id = v_failed.event_id;
  return 'what came in is applied again now';
end $$;

-- A person has read what waits for a person, and leaves it at that. A record that was deleted here and whose object cannot be
-- deleted there is left there for good; another one is tried again when it changes. Says what it does.
create or replace function sync.dismiss(p_system text, p_entity text, p_record_id text) returns text language plpgsql as $$
declare
  l     sync.link;
  v_out boolean;
begin
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = p_record_id for update;
  select bool_or(f.direction = 'out') into v_out from sync.failure f
   where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.next_attempt_at is null;
  if v_out is null then
    return 'no failure of that record waits for a person';
  elsif l.lease_until > clock_timestamp() then
    return 'a worker looks at it just now: call again';
  elsif v_out and l.external_id is not null and l.deleted_at is null and sync.read(p_entity, p_record_id) is null then
    perform sync.save(sync.bury(l, l.external_id, '{}', 'hub'));
    return format('%s stays in %s, and is not synced any more', l.external_id, p_system);
  end if;
  delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = p_record_id and f.next_attempt_at is null;
  return 'it is tried again when it changes, here or there';
end $$;

-- What came in fits again.
create or replace function sync.forget_failure(p_system text, p_entity text, p_record_id text) returns void language plpgsql as $$
begin
  delete from sync.failure where system = p_system and entity = p_entity and record_id = p_record_id and direction = 'in';
end $$;
