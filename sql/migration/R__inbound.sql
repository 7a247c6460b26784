-- What comes in: what is known of events that came together, and what became of them. What they mean is judged by io.bactrian.engine.Judgement.
-- Repeatable: every statement replaces what is there.

drop function if exists sync.apply_inbound(text, text, text, text, text, text, text[], text);
drop function if exists sync.apply_events(text[], text[], text[], text[], text[], text[], text[], text[], text);
drop function if exists sync.apply_one(text, text, text, text, text, text, text[], text);
drop function if exists sync.apply_again(text, text);
drop function if exists sync.apply_event(text, text, jsonb, jsonb, jsonb, text[], text);
drop function if exists sync.as_it_came(text, text, text, text, text[], text);
drop function if exists sync.release_events(integer);
drop function if exists sync.take_hint(text, text, jsonb);

-- What decisions need to know of a table, and what the last start said of it; null when it is not tracked.
create or replace function sync.about(p_system text, p_entity text) returns jsonb language plpgsql stable as $$
begin
  return (select jsonb_build_object('hub', sync.hub(), 'tells_change', e.has_updated_at, 'related', e.refs <> '{}' or e.parts <> '{}', 'parts', e.parts <> '{}',
                                    'synced', (select to_jsonb(i.fields) from sync.integration i where i.system = p_system and i.entity = p_entity),
                                    'references', (select jsonb_object_agg(p.name, array(select jsonb_object_keys(p.refs))) from sync.entity p
                                                    where p.name = e.name or p.name = any (e.parts)))
            from sync.entity e join pg_class c on c.oid = e.relation where e.name = p_entity);
end $$;

-- One external object at a time: two events about one that is not linked yet must not make two records. Says of which of them nobody else has the lock; or waits for
-- all (p_alone).
create or replace function sync.lock_objects(p_systems text[], p_entities text[], p_objects text[], p_alone boolean) returns boolean[] language plpgsql as $$
declare
  v_mine boolean[] := array_fill(true, array[cardinality(p_objects)]);
  q      record;
begin
  for q in
    select u.n, hashtextextended(u.system || '/' || u.entity || '/' || u.object, 0) as hash
      from unnest(p_systems, p_entities, p_objects) with ordinality u(system, entity, object, n) where u.object is not null order by 2
  loop
    if p_alone then
      perform pg_advisory_xact_lock(q.hash);
    else
      v_mine[q.n] := pg_try_advisory_xact_lock(q.hash);
    end if;
  end loop;
  return v_mine;
end $$;

-- What is known of events, each of them an element of all arrays, none about the same object as another. Locks their objects and links until the end of the
-- transaction, whose settings it makes.
--
-- p_read: it was a hint, and its object has been read; p_again: it was kept, and the caller has locked it; p_alone: waits for locks, p_patience at most, instead of
-- telling that it is busy.
--
-- busy: somebody else has the object or its link; seen: it came before; held: its system is paused, or its table cannot be seen; gone: its object is, for good;
-- refused: what its record has for the system is a failure; link: that of its object; about: see sync.about.
create or replace function sync.load_events(
  p_systems text[], p_entities text[], p_ids text[], p_objects text[], p_read boolean[], p_again boolean[], p_alone boolean, p_patience text)
returns table (busy boolean, seen boolean, held boolean, gone boolean, refused boolean, link jsonb, about jsonb) language plpgsql as $$
declare
  v_mine boolean[];
begin
  perform sync.begin_work(p_patience);
  v_mine := sync.lock_objects(p_systems, p_entities, p_objects, p_alone);
  if p_alone then
    perform from unnest(p_systems, p_entities, p_objects) u(system, entity, object)
       join sync.link l on l.external_id = u.object and l.entity = u.entity and l.system = u.system order by l.record_id for update of l;
  end if;
  return query
    with q as materialized (
      select u.*, v_mine[u.n] as mine
        from unnest(p_systems, p_entities, p_ids, p_objects, p_read, p_again) with ordinality u(system, entity, id, object, read, again, n)
    ), locked as materialized (
      select q.n, l.record_id, to_jsonb(l.*) as link
        from q join sync.link l on l.external_id = q.object and l.entity = q.entity and l.system = q.system
       where q.mine order by l.record_id for update of l skip locked
    ), tables as materialized (
      select d.system, d.entity, sync.about(d.system, d.entity) as about,
             exists (select from sync.system s where s.name = d.system and s.in_paused_at is not null)
             or exists (select from sync.blocked b where b.system = d.system and b.entity = d.entity) as held
        from (select distinct q.system, q.entity from q) d
    )
    select not q.mine or k.n is null and exists (select from sync.link l where l.external_id = q.object and l.entity = q.entity and l.system = q.system),
           not q.again and exists (select from sync.event e where e.system = q.system and e.event_id = q.id and not (q.read and e.outcome = 'hint')),
           t.held,
           k.n is null and exists (select from sync.tombstone g where g.external_id = q.object and g.entity = q.entity and g.system = q.system),
           k.n is not null and exists (select from sync.failure f
                                        where f.system = q.system and f.entity = q.entity and f.record_id = k.record_id and f.direction = 'out'),
           k.link, t.about
      from q left join locked k on k.n = q.n join tables t on t.system = q.system and t.entity = q.entity
     order by q.n;
end $$;

-- Keeps what became of events, and all that follows from it but for the rows: see io.bactrian.store.InboundTransaction, which makes p.
create or replace function sync.store_inbound(p jsonb) returns void language plpgsql as $$
begin
  update sync.link t
     set external_id = l.external_id, hub_base = l.hub_base, remote_base = l.remote_base, unechoed = l.unechoed, late_edits = l.late_edits,
         last_event_at = l.last_event_at, in_chain = l.in_chain, look_at = l.look_at, revision = l.revision, in_flight_op = l.in_flight_op, in_flight = l.in_flight,
         in_flight_at = case when l.in_flight_op is not null then t.in_flight_at end, in_flight_base = case when l.in_flight_op is not null then t.in_flight_base end,
         find_first = t.find_first and l.in_flight_op is not distinct from 'create'
    from jsonb_populate_recordset(null::sync.link, p -> 'links') l
   where t.record_id = l.record_id and t.entity = l.entity and t.system = l.system;
  perform sync.save(l) from jsonb_populate_recordset(null::sync.link, p -> 'wholes') l;
  insert into sync.link (system, entity, record_id, external_id, hub_base, remote_base, last_event_at, in_chain)
  select l.system, l.entity, l.record_id, l.external_id, l.hub_base, l.remote_base, l.last_event_at, l.in_chain
    from jsonb_populate_recordset(null::sync.link, p -> 'made') l;
  perform sync.release(l) from jsonb_populate_recordset(null::sync.link, p -> 'released') l
    where exists (select from sync.link w where w.waits_for in (l.entity || '/' || l.record_id, ':' || l.entity || '/' || l.external_id) and w.system = l.system);
  insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
  select c ->> 'system', c ->> 'entity', c ->> 'record_id', c ->> 'field', c -> 'base', c -> 'local', c -> 'remote', c ->> 'winner', c ->> 'reason'
    from jsonb_array_elements(p -> 'conflicts') c;
  insert into sync.tombstone (system, entity, external_id)
  select g ->> 'system', g ->> 'entity', g ->> 'external_id' from jsonb_array_elements(p -> 'gone') g;
  delete from sync.failure f using jsonb_array_elements(p -> 'fit') g
   where f.system = g ->> 'system' and f.entity = g ->> 'entity' and f.record_id = g ->> 'record_id' and f.direction = 'in';
  delete from sync.foreign_object f using jsonb_array_elements(p -> 'ours') g
   where f.system = g ->> 'system' and f.entity = g ->> 'entity' and f.external_id = g ->> 'external_id';
  perform sync.poke(k ->> 'entity', k ->> 'record_id', k ->> 'system') from jsonb_array_elements(p -> 'pokes') k;
  insert into sync.event as e (system, event_id, entity, type, created, external_id, outcome, held, waits_for, try_at)
  select v ->> 'system', v ->> 'event_id', v ->> 'entity', v ->> 'type', to_timestamp((v ->> 'at')::float8), v ->> 'external_id', v ->> 'outcome',
         nullif(v -> 'held', 'null'), v ->> 'waits_for', case when v ->> 'outcome' = 'waiting' then clock_timestamp() + interval '1 second' end
    from jsonb_array_elements(p -> 'events') v
  on conflict (system, event_id) do update
     set outcome = excluded.outcome, held = excluded.held, waits_for = excluded.waits_for, try_at = excluded.try_at, tries = 0, received_at = now();
  insert into sync.activity (entity, record_id, system, kind, what, details)
  select n ->> 'entity', n ->> 'record_id', n ->> 'system', 'event', n ->> 'what',
         jsonb_strip_nulls(n -> 'details' || jsonb_build_object('seconds_late', (extract(epoch from clock_timestamp()) - (n ->> 'at')::float8)::numeric(12, 1)))
    from jsonb_array_elements(p -> 'notes') n;
end $$;

-- What becomes of an event that Postgres, or a decision, did not take: foreign, waiting, held or failed, and why is kept. What is ours to solve and may succeed next
-- time is raised again.
create or replace function sync.refuse_event(p_system text, p_entity text, p_event_id text, p_external_id text, p_code text, p_message text)
returns text language plpgsql as $$
declare
  v_record_id text := (select t.record_id from sync.link t where t.system = p_system and t.entity = p_entity and t.external_id = p_external_id);
begin
  if p_code = 'BA001' and v_record_id is null and sync.is_foreign(p_system, p_message) then
    perform sync.note_foreign(p_system, p_entity, p_external_id, null, null); -- an invoice, say, of another installation's customer
    return 'foreign';
  elsif p_code = 'BA001' then
    perform sync.record_failure(p_system, p_entity, coalesce(v_record_id, p_external_id), 'in', 'permanent', 'reference',
      format('it refers to %s, which is not in the hub yet: it is applied as soon as that is, or a heal of %s finds that it is gone',
             replace(p_message, '/', ' '), split_part(p_message, '/', 1)), p_event_id, null);
    return 'waiting';
  elsif p_code in ('42501', '42703', '42P01', 'BA002') and sync.block(p_system, p_entity) then
    return 'held'; -- no fault of the event
  end if;
  perform sync.keep_failure(p_system, p_entity, coalesce(v_record_id, p_external_id, p_event_id), p_code, p_message, p_event_id);
  return 'failed';
end $$;

-- Events that are held and may be applied now, oldest first: they came while their system was paused, or waited for an object which the hub now has, be it their own.
-- Kinds that may not be applied now are left out as a whole, so that they cost nothing, however many they are. They are the caller's until the end of its transaction.
drop function if exists sync.due_events(integer);
create or replace function sync.due_events(p_limit integer) returns table (system text, entity text, event_id text, held jsonb, waited boolean) language plpgsql
set enable_seqscan = off as $$
begin
  return query
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
    select h.system, h.entity, h.event_id, h.held, h.waits_for is not null
      from open o cross join lateral (
        select e.system, e.entity, e.event_id, e.held, e.waits_for, e.created, e.received_at from sync.event e
         where e.outcome = 'held' and e.held is not null and e.system = o.system and e.entity = o.entity
         order by e.created, e.received_at limit p_limit for update skip locked) h
     order by h.created, h.received_at limit p_limit;
end $$;

-- An event that is kept is applied again: of one that waited for an object the failure says no more.
create or replace function sync.waits_no_more(p_system text, p_entity text, p_external_id text) returns void language sql as $$
  delete from sync.failure f
   where f.system = p_system and f.entity = p_entity and f.direction = 'in' and f.code = 'reference'
     and f.record_id in (p_external_id, (select l.record_id from sync.link l where l.system = p_system and l.entity = p_entity and l.external_id = p_external_id));
$$;

-- The parts of a record that has just got its object are its.
create or replace function sync.note_parts(p_system text, p_entity text, p_record_id text, p_remote jsonb) returns void language sql as $$
  update sync.link p set whole = p_record_id
    from jsonb_object_keys(p_remote) k
   where k like '%/%' and p.system = p_system and p.entity = split_part(k, '/', 1) and p.record_id = substr(k, strpos(k, '/') + 1) and p.whole is null;
$$;

-- Edits there that a write of ours replaced, and that the hub won because nobody knew when they were made: of these fields, with these values.
create or replace function sync.replaced_unseen(p_system text, p_entity text, p_record_id text, p_values jsonb)
returns table (id bigint, field text, local jsonb, remote jsonb) language plpgsql as $$
begin
  return query
    select c.id, c.field, c.local, c.remote from sync.conflict c
     where c.entity = p_entity and c.record_id = p_record_id and c.system = p_system and p_values ? c.field
       and c.winner = 'hub' and c.remote = p_values -> c.field and c.reason = 'edited there while we wrote, policy newest';
end $$;

-- The object of a record is gone: the row follows, or what the integration says; p_ours: we deleted it. Takes and returns the link.
create or replace function sync.lose_object(p_link jsonb, p_external_id text, p_fields text[], p_ours boolean) returns jsonb language plpgsql as $$
declare
  l sync.link := jsonb_populate_record(null::sync.link, p_link);
begin
  l := case when p_ours then sync.bury(l, p_external_id, p_fields, 'hub') else sync.take_deletion(l, p_external_id, p_fields) end;
  perform sync.save(l);
  return to_jsonb(l);
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
