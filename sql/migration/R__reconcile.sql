-- Reconcile and backfill: both sides compared as a whole, and mended. One page of one step at a time, each in one
-- transaction that may be repeated. The steps of a run:
--
--   remote   the objects of the other system are listed into sync.run_object
--   objects  those without a link: is there a record that each belongs to?
--   links    whose record or object is gone
--   rows     without a link, or not as the object is
--   changes  what is to be mended by a worker: records created there, and those that differ
--   deletes  the same for what was deleted on one side
--
-- diff changes nothing; link makes links only; heal mends all.
-- Repeatable: every statement replaces what is there.

-- Asks for a run, and returns its id; the same one as long as it has not ended.
create or replace function sync.reconcile(p_system text, p_entity text, p_mode text default 'diff', p_because text default 'asked for by hand')
returns bigint language plpgsql as $$
declare
  v_id bigint;
begin
  if not sync.tracked(p_entity) then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  elsif p_mode not in ('diff', 'link', 'heal') then
    raise exception 'there is no mode %', p_mode using hint = 'Say diff (only look), link (also link what belongs together) or heal (mend all).';
  end if;
  perform sync.mind_name(p_system);
  perform pg_advisory_xact_lock(hashtextextended('sync.reconcile/' || p_system || '/' || p_entity, 0));
  select r.id into v_id from sync.run r
   where r.system = p_system and r.entity = p_entity and r.mode = p_mode and r.state in ('waiting', 'running', 'needs confirmation');
  if not found then
    insert into sync.run (system, entity, mode, because) values (p_system, p_entity, p_mode, p_because) returning id into v_id;
    delete from sync.run r
     where r.id in (select o.id from sync.run o where o.system = p_system and o.entity = p_entity and o.state in ('done', 'cancelled')
                     order by o.id desc offset 20);
  end if;
  return v_id;
end $$;

-- The same for all tables that the system has links of. Returns how many.
create or replace function sync.reconcile_all(p_system text, p_mode text, p_because text) returns bigint language sql as $$
  select count(sync.reconcile(p_system, e.name, p_mode, p_because)) from sync.entity e
   where e.part_of is null and exists (select from sync.link l where l.system = p_system and l.entity = e.name);
$$;

-- A person has looked at the deletes that a run found, and lets it go on.
create or replace function sync.confirm(p_run_id bigint) returns text language plpgsql as $$
begin
  update sync.run set confirmed_at = clock_timestamp(), state = 'waiting', reason = null where id = p_run_id and state = 'needs confirmation';
  return case when found then 'it goes on' else 'that run does not wait for anybody' end;
end $$;

-- Ends a run as it is. What it has mended stays mended.
create or replace function sync.cancel(p_run_id bigint) returns text language plpgsql as $$
declare
  r sync.run;
begin
  select * into r from sync.run t where t.id = p_run_id and t.state not in ('done', 'cancelled') for update;
  if not found then
    return 'there is no such run, or it has ended';
  end if;
  perform sync.end_run(r, 'cancelled');
  return 'it has ended';
end $$;

-- What happens to the live sync while a system is met for the first time: nothing goes out, for a create might double an
-- object that only waits to be linked.
create or replace function sync.first_contact(p_system text, p_entity text, p_mode text) returns void language plpgsql as $$
begin
  -- Before another one that ends just now: it must see that this one has begun, or this one that it has ended.
  insert into sync.system (name) values (p_system) on conflict do nothing;
  perform from sync.system s where s.name = p_system for update;
  perform sync.reconcile(p_system, p_entity, p_mode, 'first contact');
  if p_mode <> 'diff' and not exists (select from sync.system s where s.name = p_system and s.out_paused_at is not null) then
    perform sync.pause(p_system, 'out', 'first contact: until it is known which objects exist already');
  end if;
end $$;

-- The run that is to go on, if this instance has it; and runs that are due are asked for: p_schedule after the last one
-- (null: never), and on first contact (p_first_contact: its mode, or off).
create or replace function sync.take_run(
  p_system text, p_entity text, p_instance text, p_lease interval, p_schedule interval, p_scheduled_mode text, p_first_contact text)
returns table (id bigint, mode text, step text, "position" text, tries integer) language plpgsql as $$
declare
  r        sync.run;
  s        sync.system;
  v_reason text;
begin
  if not sync.tracked(p_entity) then
    return;
  end if;
  if p_first_contact <> 'off' and not exists (select from sync.run t where t.system = p_system and t.entity = p_entity)
     and not exists (select from sync.link l where l.system = p_system and l.entity = p_entity and l.external_id is not null) then
    perform sync.first_contact(p_system, p_entity, p_first_contact);
  end if;
  if p_schedule is not null and not exists (
       select from sync.run t where t.system = p_system and t.entity = p_entity and t.mode = p_scheduled_mode
                                and (t.asked_at > clock_timestamp() - p_schedule or t.state not in ('done', 'cancelled'))) then
    perform sync.reconcile(p_system, p_entity, p_scheduled_mode, 'its time has come');
  end if;

  select * into r from sync.run t
   where t.system = p_system and t.entity = p_entity and t.state in ('waiting', 'running') order by t.id limit 1;
  if not found or r.next_try_at > clock_timestamp() or not sync.take_job(format('reconcile-%s-%s', p_system, p_entity), p_instance, p_lease) then
    return;
  end if;
  select * into s from sync.system t where t.name = p_system;
  v_reason := case when s.out_paused_at is not null and s.out_paused_because not like 'first contact: %' then p_system || ' is paused: ' || s.out_paused_because
                   when s.in_paused_at is not null then p_system || ' is paused: ' || s.in_paused_because
                   when s.open_since is not null then p_system || ' does not answer: ' || s.open_because
                   when sync.is_stopped(p_system, p_entity, 'in') then
                     (select c.reason from sync.scope c where c.system = p_system and c.entity = p_entity and c.direction = 'in')
                   else (select b.reason from sync.blocked b where b.system = p_system and b.entity = p_entity) end;
  update sync.run t
     set state = case when v_reason is null then 'running' else 'waiting' end,
         reason = case when t.tries = 0 or v_reason is not null then v_reason else t.reason end,
         started_at = coalesce(t.started_at, clock_timestamp()), step_at = coalesce(t.step_at, clock_timestamp()),
         step_of = case when t.step = 'remote' and t.step_of is null
                        then (select nullif(count(*), 0) from sync.link l where l.system = p_system and l.entity = p_entity and l.deleted_at is null)
                        else t.step_of end
   where t.id = r.id and (t.state, t.reason) is distinct from (case when v_reason is null then 'running' else 'waiting' end, v_reason);
  if v_reason is null then
    return query select r.id, r.mode, r.step, r.position, r.tries;
  end if;
end $$;

-- A page could not be done. It is tried again after a pause, which doubles from a second to a minute. The list is read from
-- its beginning when that does not help: the object that it was to go on after may be gone.
create or replace function sync.hold_run(p_run_id bigint, p_reason text) returns void language sql as $$
  update sync.run
     set reason = left(p_reason, 1000), tries = tries + 1, next_try_at = clock_timestamp() + make_interval(secs => least(60, 2 ^ least(tries, 10))),
         position = case when step = 'remote' and tries >= 4 then null else position end,
         step_done = case when step = 'remote' and tries >= 4 then 0 else step_done end
   where id = p_run_id and state = 'running';
$$;

-- One page of a step is done; p_last: there is no more of it.
create or replace function sync.advance_run(r sync.run, p_position text, p_done bigint, p_last boolean) returns void language plpgsql
  set row_security = off as $$
declare
  v_next text;
  v_of   bigint;
begin
  if not p_last then
    update sync.run t set position = p_position, step_done = t.step_done + p_done, tries = 0, reason = null where t.id = r.id;
    return;
  end if;
  v_next := case r.step when 'remote'  then 'objects'
                        when 'objects' then 'links'
                        when 'links'   then 'rows'
                        when 'rows'    then case when r.mode <> 'diff' then 'changes' end
                        when 'changes' then case when r.mode = 'heal' then 'deletes' end end;
  if v_next is null then
    perform sync.end_run(r, 'done');
    return;
  end if;
  -- What was written since the last step is not what Postgres has statistics of, and plans are made anew with them.
  if v_next = 'objects' then
    analyze sync.run_object (run_id, external_id, record_id, hub_id, match);
    analyze sync.link (record_id, external_id, entity, system);
  elsif v_next in ('changes', 'deletes') then
    analyze sync.difference (run_id, kind, record_id, external_id, is_delete, todo, mended_at);
  end if;
  if v_next = 'objects' then
    select count(*) into v_of from sync.run_object o where o.run_id = r.id;
  elsif v_next = 'links' then
    select count(*) into v_of from sync.link l where l.system = r.system and l.entity = r.entity;
  elsif v_next = 'rows' then
    execute format('select count(*) from %s', (select e.relation from sync.entity e where e.name = r.entity)) into v_of;
  else
    select count(distinct d.record_id) into v_of from sync.difference d
     where d.run_id = r.id and d.todo and d.mended_at is null and d.is_delete = (v_next = 'deletes');
  end if;
  update sync.run t
     set step = v_next, position = null, step_at = clock_timestamp(), step_done = 0, step_of = v_of, tries = 0, reason = null
   where t.id = r.id;
end $$;

create or replace function sync.end_run(r sync.run, p_state text) returns void language plpgsql as $$
begin
  -- One after the other: of two first contacts that end at once, the later one must see that the other has.
  perform from sync.system s where s.name = r.system for update;
  update sync.run t
     set state = p_state, reason = null, finished_at = clock_timestamp(), counts = sync.run_counts(r.id) where t.id = r.id;
  if p_state = 'done' and r.mode = 'heal' and sync.believes_list(r.id) then
    -- What an event waits for, and was not listed later, is gone there.
    insert into sync.tombstone (system, entity, external_id)
    select distinct r.system, r.entity, x.id
      from sync.event e, lateral (select substr(e.waits_for, length(r.entity) + 2) as id) x
     where e.system = r.system and e.waits_for is not null and starts_with(e.waits_for, r.entity || '/')
       and e.received_at < r.began_at - interval '1 minute' and not sync.is_known(r.system, e.waits_for)
       and not exists (select from sync.run_object o where o.run_id = r.id and o.external_id = x.id)
    on conflict do nothing;
  end if;
  delete from sync.run_object o where o.run_id = r.id;
  if r.because = 'first contact' then
    perform sync.end_first_contact(r.system);
  end if;
end $$;

-- How many records or objects of each kind a run has found, how many of all it has mended, and how many it could not, because they
-- are in sync.failure now.
create or replace function sync.run_counts(p_run_id bigint) returns jsonb language sql stable as $$
  select coalesce(jsonb_object_agg(k.kind, k.n), '{}')
    from (select d.kind, count(distinct coalesce(d.record_id, d.external_id)) as n from sync.difference d where d.run_id = p_run_id group by d.kind
          union all
          select m.kind, count(m.id)
            from (select distinct coalesce(d.record_id, d.external_id) as id,
                         case when exists (select from sync.failure f
                                            where f.system = r.system and f.entity = r.entity and f.record_id in (d.record_id, d.external_id)) then 'failed'
                              when d.mended_at is not null then 'mended' end as kind
                    from sync.difference d join sync.run r on r.id = d.run_id
                   where d.run_id = p_run_id and (d.mended_at is not null or d.kind = 'only_remote' and r.mode = 'heal')
                   union all select null, 'mended') m
           where m.kind is not null group by m.kind) k;
$$;

-- How far each run is, how fast it goes, and how long its present step will still take.
create or replace view sync.progress as
  select r.id, r.system, r.entity, r.mode, r.state, r.reason, r.step, r.step_done as done, r.step_of as of,
         case when r.state = 'running' then round(r.step_done / p.seconds, 1) end as per_second,
         case when r.state = 'running' and r.step_done > 0 and r.step_of >= r.step_done
              then make_interval(secs => round((r.step_of - r.step_done) * p.seconds / r.step_done)::float8) end as time_left,
         r.started_at, r.finished_at, coalesce(r.counts, sync.run_counts(r.id)) as counts
    from sync.run r
   cross join lateral (select greatest(extract(epoch from clock_timestamp() - r.step_at), 0.1) as seconds) p;

-- The run, for one page of a step; nothing when it has gone on meanwhile, or has ended.
create or replace function sync.lock_run(p_run_id bigint, p_step text, p_position text) returns setof sync.run language sql as $$
  select r.* from sync.run r
   where r.id = p_run_id and r.step = p_step and r.position is not distinct from p_position and r.state = 'running' for update;
$$;

-- Step remote: keeps a page of listed objects, lines of {id, hub_id, hub, state, error}. p_at: the remote's clock when it
-- answered, p_since: ours before it was asked, in seconds; p_match: a column that tells objects apart on both sides.
create or replace function sync.keep_objects(
  p_run_id bigint, p_position text, p_objects text, p_next text, p_more boolean, p_at float8, p_since float8, p_match text)
returns void language plpgsql as $$
declare
  r      sync.run;
  v_kept bigint;
  v_at   timestamptz := to_timestamp(p_at) - (clock_timestamp() - to_timestamp(p_since)) - interval '1 second';
begin
  select * into r from sync.lock_run(p_run_id, 'remote', p_position);
  if not found then
    return;
  end if;
  insert into sync.run_object (run_id, external_id, hub_id, pointer, hub, pointed_to, match, state, error, at)
  select p_run_id, o ->> 'id', case p.pointer when 'ours' then sync.id(r.entity, o ->> 'hub_id') end, p.pointer, o ->> 'hub', o ->> 'hub_id', nullif(btrim(o -> 'state' ->> nullif(p_match, 'none')), ''),
         nullif(o -> 'state', 'null'), o ->> 'error', v_at
    from string_to_table(p_objects, E'\n') line, lateral (select line::jsonb where line <> '') j (o),
         lateral (select sync.pointer(r.entity, o ->> 'hub_id', o ->> 'hub')) p (pointer)
   where o ->> 'id' is not null
  on conflict (run_id, external_id) do nothing;
  get diagnostics v_kept = row_count;
  update sync.run t set began_at = least(t.began_at, v_at) where t.id = p_run_id;
  perform sync.open_scope(r.system, r.entity, 'in');
  perform sync.advance_run(r, p_next, v_kept, not p_more);
end $$;

-- One page of a step that needs neither the other system nor a worker. Returns what is to be applied in the same transaction, which ends with sync.page_applied: ids
-- of what is told of an object, and the event that brings it here.
drop function if exists sync.reconcile_page(bigint, text, text, text[], text, text, integer);
create or replace function sync.reconcile_page(
  p_run_id bigint, p_step text, p_position text, p_fields text[], p_policy text, p_match text, p_limit integer)
returns table (ids bigint[], event jsonb, remote text, error text) language plpgsql
  set lock_timeout = '5s' set timezone = 'UTC' set enable_seqscan = off as $$
declare
  r sync.run;
begin
  select * into r from sync.lock_run(p_run_id, p_step, p_position);
  if not found then
    return;
  end if;
  begin
    if p_step = 'objects' then
      return query select * from sync.compare_objects(r, p_fields, nullif(p_match, 'none'), p_limit);
    elsif p_step = 'links' then
      perform sync.compare_links(r, p_limit);
    else
      perform sync.compare_rows(r, p_fields, p_policy, p_limit);
    end if;
  exception when insufficient_privilege or undefined_column or undefined_table or sqlstate 'BA002' then
    if not sync.block(r.system, r.entity) then
      raise;
    end if;
  end;
end $$;

-- Step objects: finds the record of each object that has no link, and links it; or makes it one.
drop function if exists sync.compare_objects(sync.run, text[], text, text, integer);
create or replace function sync.compare_objects(r sync.run, p_fields text[], p_match text, p_limit integer)
returns table (ids bigint[], event jsonb, remote text, error text) language plpgsql as $$
declare
  o          sync.run_object;
  v_seen     bigint := 0;
  v_position text;
  v_record   text;
  v_id       bigint;
begin
  for o in
    select * from sync.run_object t where t.run_id = r.id and (r.position is null or t.external_id > r.position) order by t.external_id limit p_limit
  loop
    v_seen := v_seen + 1;
    v_position := o.external_id;
    if o.pointer = 'unsaid' then
      perform sync.add_pointer(r, o);
    end if;
    if exists (select from sync.link l where l.system = r.system and l.entity = r.entity and l.external_id = o.external_id)
       or exists (select from sync.tombstone t where t.system = r.system and t.entity = r.entity and t.external_id = o.external_id) then
      continue;
    end if;
    if o.pointer in ('other', 'unsaid') then
      perform sync.tell_foreign(r, o);
      continue;
    end if;
    v_record := sync.find_record(r, o, p_match);
    insert into sync.difference (run_id, kind, record_id, external_id, remote)
         values (r.id, case when v_record is null then 'only_remote' else 'unlinked' end, v_record, o.external_id, o.state)
      returning id into v_id;
    ids := array[v_id];
    if v_record is not null then
      update sync.run_object t set record_id = v_record where t.run_id = r.id and t.external_id = o.external_id;
      with told as (
        insert into sync.difference (run_id, kind, record_id, external_id, field, hub, remote)
        select r.id, 'differs', v_record, o.external_id, f, c.record -> f, c.state -> f
          from (select sync.read(r.entity, v_record) as record, sync.internal(r.system, r.entity, v_record, o.state, '{}', false) as state) c,
               unnest(sync.moved(c.record, c.state, sync.fields(p_fields, c.record, c.state))) f
         where o.state is not null
        returning id)
      select v_id || coalesce(array_agg(id), '{}') into ids from told;
    end if;
    if r.mode = 'heal' or r.mode = 'link' and v_record is not null then
      event := jsonb_build_object('id', format('reconcile:%s:%s', r.id, o.external_id), 'type', 'reconcile', 'at', extract(epoch from o.at),
                                  'external_id', o.external_id, 'hub_id', v_record, 'hub', sync.hub(), 'deleted', false);
      remote := o.state::text;
      error := o.error;
      return next;
    end if;
  end loop;
  perform sync.advance_run(r, v_position, v_seen, v_seen < p_limit);
end $$;

-- What a page brought here is applied. p_applied: [{ids, external_id, outcome}]; p_asked: the outbox's last id before. What goes out is work of this run, and not of
-- those who follow the changes.
create or replace function sync.page_applied(p_run_id bigint, p_asked bigint, p_applied jsonb) returns void language plpgsql as $$
declare
  r sync.run;
begin
  select * into strict r from sync.run t where t.id = p_run_id;
  update sync.difference d
     set mended_at = clock_timestamp(), record_id = coalesce(d.record_id, (select l.record_id from sync.link l
           where l.system = r.system and l.entity = r.entity and l.external_id = a ->> 'external_id'))
    from jsonb_array_elements(p_applied) a, jsonb_array_elements_text(a -> 'ids') i
   where d.id = i::bigint and a ->> 'outcome' not in ('failed', 'held', 'waiting');
  with asked as (
    delete from sync.outbox x
     where x.id >= p_asked and x.tx_id = txid_current() and x.op = 'r' and x.target = r.system and x.entity = r.entity returning x.record_id)
  update sync.difference d set todo = true, mended_at = null
    from asked, jsonb_array_elements(p_applied) a, jsonb_array_elements_text(a -> 'ids') i
   where d.id = i::bigint and d.kind = 'unlinked' and d.record_id = asked.record_id;
end $$;

-- A linked object points to its record as an older version made it: a worker adds the installation.
create or replace function sync.add_pointer(r sync.run, o sync.run_object) returns void language plpgsql as $$
declare
  v_record text;
begin
  select l.record_id into v_record from sync.link l
   where l.system = r.system and l.entity = r.entity and l.external_id = o.external_id and l.deleted_at is null
     and l.record_id = sync.id(r.entity, o.pointed_to);
  if not found then
    return;
  end if;
  insert into sync.difference (run_id, kind, record_id, external_id, todo) values (r.id, 'old_pointer', v_record, o.external_id, r.mode <> 'diff');
  update sync.link l set old_pointer = true where r.mode <> 'diff' and l.system = r.system and l.entity = r.entity and l.record_id = v_record;
end $$;

-- An object without a link that points into another installation, or names none: a person says whose it is (sync.link). The record that
-- it names is a hint only where it names no other installation.
create or replace function sync.tell_foreign(r sync.run, o sync.run_object) returns void language plpgsql as $$
declare
  v_record text := case o.pointer when 'unsaid' then sync.id(r.entity, o.pointed_to) end;
begin
  if sync.read(r.entity, v_record) is null
     or exists (select from sync.link l where l.system = r.system and l.entity = r.entity and l.record_id = v_record
                                          and (l.external_id is not null or l.deleted_at is not null)) then
    v_record := null;
  end if;
  insert into sync.difference (run_id, kind, record_id, external_id, remote)
       values (r.id, 'unlinked', v_record, o.external_id, case o.pointer when 'unsaid' then o.state end);
  perform sync.note_foreign(r.system, r.entity, o.external_id, o.hub, o.pointed_to);
end $$;

-- The record that an object without a link belongs to: the one that it points to; else the one with the same value in
-- the column that tells them apart, if nobody else has it, here or there.
create or replace function sync.find_record(r sync.run, o sync.run_object, p_match text) returns text language plpgsql
  set row_security = off as $$
declare
  v_entity  sync.entity;
  v_records text[];
begin
  v_records := array[o.hub_id];
  if (o.hub_id is null or sync.read(r.entity, o.hub_id) is null) and p_match is not null and o.match is not null
     and not exists (select from sync.run_object t where t.run_id = r.id and t.match = o.match and t.external_id <> o.external_id) then
    select * into strict v_entity from sync.entity e where e.name = r.entity;
    execute format('select array(select %1$I::text from %2$s where %3$I = $1 limit 2)', v_entity.key_column, v_entity.relation, p_match)
       into v_records using o.match;
  end if;
  return case when cardinality(v_records) = 1 and v_records[1] is not null
                   and sync.read(r.entity, v_records[1]) is not null
                   and not exists (select from sync.link l where l.system = r.system and l.entity = r.entity and l.record_id = v_records[1]
                                                             and (l.external_id is not null or l.deleted_at is not null))
                   and not exists (select from sync.run_object t where t.run_id = r.id and t.record_id = v_records[1])
                   and (v_records[1] = o.hub_id or not exists (select from sync.run_object t where t.run_id = r.id and t.hub_id = v_records[1]))
              then v_records[1] end;
end $$;

-- Step links: finds those whose record is gone, and those whose object was not listed. Whatever is known to have been
-- there since the run began was not deleted before.
create or replace function sync.compare_links(r sync.run, p_limit integer) returns void language plpgsql as $$
declare
  l          sync.link;
  v_seen     bigint := 0;
  v_position text;
  v_kind     text;
begin
  for l in
    select * from sync.link t
     where t.system = r.system and t.entity = r.entity and (r.position is null or t.record_id > r.position) order by t.record_id limit p_limit
  loop
    v_seen := v_seen + 1;
    v_position := l.record_id;
    v_kind := case when l.external_id is null or l.deleted_at is not null or l.deletion is not null then null
                   when sync.read(l.entity, l.record_id) is null then 'deleted_hub'
                   when not exists (select from sync.run_object o where o.run_id = r.id and o.external_id = l.external_id)
                        and coalesce(l.last_event_at, '-infinity') < coalesce(r.began_at, '-infinity') then 'deleted_remote' end;
    if v_kind is not null then
      insert into sync.difference (run_id, kind, record_id, external_id, look, todo)
           values (r.id, v_kind, l.record_id, l.external_id, v_kind = 'deleted_remote', r.mode = 'heal');
    end if;
  end loop;
  perform sync.advance_run(r, v_position, v_seen, v_seen < p_limit);
end $$;

-- Step rows: finds those without a link, and those that are not as their object is. Which side has moved, the bases tell:
-- a value that the other system spells in its own way is none. An object that we have heard of since it was listed is not
-- compared by the list.
create or replace function sync.compare_rows(r sync.run, p_fields text[], p_policy text, p_limit integer) returns void language plpgsql
  set row_security = off as $$
declare
  v_entity   sync.entity;
  v_row      record;
  l          sync.link;
  o          sync.run_object;
  v_record   jsonb;
  v_seen     bigint := 0;
  v_position text;
  v_fields   text[];
  v_moved    text[];
begin
  select * into strict v_entity from sync.entity e where e.name = r.entity;
  for v_row in execute format('select t.%1$I::text as id, to_jsonb(t.*) as record from %2$s t where $1 is null or t.%1$I > $1::%3$s order by t.%1$I limit $2',
                              v_entity.key_column, v_entity.relation, v_entity.key_type) using r.position, p_limit
  loop
    v_seen := v_seen + 1;
    v_position := v_row.id;
    perform sync.check_columns(r.system, r.entity, v_row.record);
    v_record := case when v_entity.parts = '{}' then v_row.record else sync.read(r.entity, v_row.id) end;
    select * into l from sync.link t where t.system = r.system and t.entity = r.entity and t.record_id = v_row.id;
    if l.external_id is null or l.deleted_at is not null then
      insert into sync.difference (run_id, kind, record_id, hub, todo)
      select r.id, 'only_hub', v_row.id, sync.pick(v_record, sync.fields(p_fields, v_record)), r.mode = 'heal'
       where not exists (select from sync.run_object p where p.run_id = r.id and p.record_id = v_row.id);
      continue;
    end if;
    select * into o from sync.run_object t where t.run_id = r.id and t.external_id = l.external_id;
    if o.external_id is null and coalesce(l.last_event_at, '-infinity') < coalesce(r.began_at, '-infinity')
       or o.record_id is not null then
      continue; -- told of already: deleted there, or linked by this run
    end if;
    if o.state is null or o.at <= l.last_event_at then
      o.state := l.remote_base;
    else
      o.state := sync.keep_once(p_policy, sync.internal(r.system, r.entity, v_row.id, o.state, '{}', false), l.remote_base);
    end if;
    v_fields := sync.fields(p_fields, v_record, l.hub_base, l.remote_base, o.state);
    v_moved := sync.moved(l.remote_base, o.state, v_fields);
    insert into sync.difference (run_id, kind, record_id, external_id, field, hub, remote, look, todo)
    select r.id, 'differs', v_row.id, l.external_id, f, coalesce(v_record -> f, 'null'), coalesce(o.state -> f, 'null'),
           v_moved <> '{}', r.mode = 'heal'
      from unnest(v_fields) f
     where (f = any (v_moved) or f = any (sync.moved(l.hub_base, v_record, v_fields)))
       and coalesce(v_record -> f, 'null') <> coalesce(o.state -> f, 'null')
       and not (coalesce(o.state -> f, 'null') = 'null' and sync.belongs_there(p_policy, f, l.remote_base)); -- it has not told yet
  end loop;
  perform sync.advance_run(r, v_position, v_seen, v_seen < p_limit);
end $$;

-- Steps changes and deletes: the next records for the workers, as a JSON array. Null: the step is over. A mass delete (more
-- than p_max_percent of the linked records, and more than p_max_deletes) waits for sync.confirm.
create or replace function sync.take_work(p_run_id bigint, p_step text, p_limit integer, p_max_percent numeric, p_max_deletes bigint)
returns text language plpgsql set enable_seqscan = off as $$
declare
  r        sync.run;
  v_some   text[];
  v_linked bigint;
begin
  select * into r from sync.lock_run(p_run_id, p_step, null);
  if not found then
    return null;
  end if;
  if p_step = 'deletes' and r.confirmed_at is null and r.step_of > p_max_deletes and r.step_done = 0 then
    select count(*) into v_linked from sync.link l
     where l.system = r.system and l.entity = r.entity and l.external_id is not null and l.deleted_at is null;
    if r.step_of > v_linked * p_max_percent / 100 then
      update sync.run t
         set state = 'needs confirmation',
             reason = format('%s of %s linked records would be deleted: %s in the hub, because they are gone in %s, and %s in %s, because they are gone in the hub. '
                             || 'See sync.difference where run_id = %s. If that is right: select sync.confirm(%s); if not: select sync.cancel(%s)',
                             r.step_of, v_linked,
                             (select count(*) from sync.difference d where d.run_id = r.id and d.kind = 'deleted_remote'), r.system,
                             (select count(*) from sync.difference d where d.run_id = r.id and d.kind = 'deleted_hub'), r.system, r.id, r.id, r.id)
       where t.id = r.id;
      return null;
    end if;
  end if;
  v_some := array(select distinct d.record_id from sync.difference d
                   where d.run_id = r.id and d.todo and d.mended_at is null and d.is_delete = (p_step = 'deletes')
                   order by d.record_id limit p_limit);
  if v_some = '{}' then
    perform sync.advance_run(r, null, 0, true);
    return null;
  end if;
  update sync.link l set look_at = coalesce(l.look_at, clock_timestamp())
     where l.system = r.system and l.entity = r.entity and l.deleted_at is null and l.record_id in (
             select d.record_id from sync.difference d where d.run_id = r.id and d.record_id = any (v_some) and d.look and d.todo and d.mended_at is null);
  perform sync.forget_refusals(r.system, r.entity, v_some); -- what made the system refuse may be mended
  insert into sync.deletion (entity, record_id, at)
  select distinct r.entity, d.record_id, clock_timestamp() from sync.difference d
   where d.run_id = r.id and d.kind = 'deleted_hub' and d.record_id = any (v_some) on conflict do nothing;
  if p_step = 'deletes' and r.confirmed_at is not null then -- nobody asks again
    update sync.link l set deletion = 'confirmed'
     where l.system = r.system and l.entity = r.entity and l.deleted_at is null and l.record_id = any (v_some);
  end if;
  return to_jsonb(v_some)::text;
end $$;

-- Whether an object that is linked and was not listed is gone: others of this account were listed, or a person says so. Else it
-- may be another account's list.
create or replace function sync.believes_list(p_run_id bigint) returns boolean language sql stable as $$
  select exists (select from sync.run r where r.id = p_run_id and r.confirmed_at is not null)
      or exists (select from sync.run_object o
                   join sync.run r on r.id = o.run_id
                   join sync.link l on l.system = r.system and l.entity = r.entity and l.external_id = o.external_id
                  where o.run_id = p_run_id);
$$;

-- The workers have done what they could: what did not succeed waits in sync.failure, or for its system.
create or replace function sync.end_work(p_run_id bigint, p_step text, p_record_ids text) returns void language plpgsql set enable_seqscan = off as $$
declare
  r      sync.run;
  v_some text[] := array(select jsonb_array_elements_text(p_record_ids::jsonb));
  v_done bigint;
begin
  select * into r from sync.lock_run(p_run_id, p_step, null);
  if not found then
    return;
  end if;
  with mended as (
    update sync.difference d set mended_at = clock_timestamp()
     where d.run_id = r.id and d.record_id = any (v_some) and d.todo and d.mended_at is null and d.is_delete = (p_step = 'deletes')
    returning d.record_id)
  select count(distinct m.record_id) into v_done from mended m;
  perform sync.advance_run(r, null, v_done, false);
end $$;

-- A line for each run that this instance is at, and for those that ended or stopped a moment ago.
create or replace function sync.report_runs(p_instance text)
returns table (id bigint, line text, step text, done bigint, of bigint, state text) language sql stable as $$
  select p.id,
         format('reconcile %s of %s %s (%s): ', p.id, p.system, p.entity, p.mode)
         || case p.state when 'running' then format('%s, %s%s done, %s/s%s', p.step, p.done, ' of ' || p.of, p.per_second, ', ' || p.time_left || ' left')
                         else p.state || coalesce(': ' || p.reason, '') end
         || case when p.counts = '{"mended": 0}' then '' else '; found ' || (select string_agg(c.key || ' ' || c.value, ', ') from jsonb_each_text(p.counts) c) end,
         p.step, p.done, p.of, p.state
    from sync.progress p
    join sync.job j on j.name = format('reconcile-%s-%s', p.system, p.entity) and j.instance = p_instance
   where p.state = 'running' or p.finished_at > clock_timestamp() - interval '5 seconds';
$$;
