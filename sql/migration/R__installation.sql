-- Whose objects an account's objects are: this installation, others, and what a person decides about them.
-- Repeatable: every statement replaces what is there.

-- The id of this installation.
create or replace function sync.hub() returns text language plpgsql stable as $$
begin
  return (select i.id from sync.installation i where i.one);
end $$;

-- Whose record an object points to: ours; other: another installation's; unsaid: it names no installation, as objects do that an
-- older version or a person made; none: it points to no record.
create or replace function sync.pointer(p_entity text, p_hub_id text, p_hub text) returns text language plpgsql stable as $$
declare
  v_points boolean := sync.id(p_entity, p_hub_id) is not null;
begin
  return case when p_hub = sync.hub() then case when v_points then 'ours' else 'none' end
              when btrim(p_hub) <> '' then 'other'
              when v_points then 'unsaid'
              else 'none' end;
end $$;

-- The revision that an idempotency key names, if it is the key of a write to that record. Others' keys name other installations; those
-- of before there were any count for the writes of that time only.
create or replace function sync.key_revision(l sync.link, p_key text) returns text language plpgsql stable as $$
declare
  v_prefix   text := sync.key_prefix(l.entity, l.record_id);
  v_revision text;
begin
  if starts_with(p_key, v_prefix) then
    return split_part(substr(p_key, length(v_prefix) + 1), ':', 1);
  end if;
  v_prefix := sync.old_key_prefix(l.entity, l.record_id);
  if l.old_key_to is not null and starts_with(p_key, v_prefix) then
    v_revision := split_part(substr(p_key, length(v_prefix) + 1), ':', 1);
    if substring(v_revision from '^[0-9]{1,18}')::bigint <= l.old_key_to then
      return v_revision;
    end if;
  end if;
  return null;
end $$;

-- Remembers that an object is another installation's, or may be.
create or replace function sync.note_foreign(p_system text, p_entity text, p_external_id text, p_hub text, p_hub_id text) returns void language sql as $$
  insert into sync.foreign_object (system, entity, external_id, hub, hub_id) values (p_system, p_entity, p_external_id, p_hub, left(p_hub_id, 100))
  on conflict (external_id, entity, system) do update set hub = excluded.hub, hub_id = excluded.hub_id;
$$;

create or replace function sync.is_foreign(p_system text, p_object text) returns boolean language sql stable as $$
  select exists (select from sync.foreign_object f
                  where f.system = p_system and f.entity = split_part(p_object, '/', 1) and f.external_id = substr(p_object, strpos(p_object, '/') + 1));
$$;

-- A person confirms that an object belongs to a record. It is read, both are merged (they never agreed on anything: where they differ, the
-- table's policy decides, see sync.conflict), and the object gets the pointers. Returns what is done.
create or replace function sync.link(p_system text, p_entity text, p_record_id text, p_external_id text) returns text language plpgsql as $$
declare
  v_id text;
  l    sync.link;
begin
  if not sync.tracked(p_entity) then
    raise exception 'the table % is not tracked', p_entity using hint = format('select sync.track(%L)', p_entity);
  end if;
  v_id := sync.id(p_entity, p_record_id);
  if v_id is null or sync.read(p_entity, v_id) is null then
    raise exception '% has no record %', p_entity, p_record_id;
  end if;
  perform sync.lock_external(p_system, p_entity, p_external_id);
  select * into l from sync.link t where t.system = p_system and t.entity = p_entity and t.external_id = p_external_id;
  if found then
    raise exception '% belongs to % % already', p_external_id, p_entity, l.record_id;
  elsif exists (select from sync.tombstone t where t.system = p_system and t.entity = p_entity and t.external_id = p_external_id) then
    raise exception '% is gone in %', p_external_id, p_system;
  end if;
  insert into sync.link (system, entity, record_id) values (p_system, p_entity, v_id) on conflict do nothing;
  select * into strict l from sync.link t where t.system = p_system and t.entity = p_entity and t.record_id = v_id for update;
  if l.external_id is not null or l.deleted_at is not null then
    raise exception '% % has the object % in % already', p_entity, v_id, coalesce(l.external_id, 'that is gone'), p_system;
  elsif l.in_flight_op is not null then
    raise exception '% % is being created in % just now', p_entity, v_id, p_system using hint = 'Look at sync.failure, and try again when it has ended.';
  end if;
  update sync.link t set external_id = p_external_id, look_at = clock_timestamp(), old_pointer = true
   where t.system = p_system and t.entity = p_entity and t.record_id = v_id returning * into l;
  delete from sync.foreign_object f where f.system = p_system and f.entity = p_entity and f.external_id = p_external_id;
  delete from sync.failure f where f.system = p_system and f.entity = p_entity and f.record_id = v_id;
  perform sync.release(l);
  perform sync.poke(p_entity, v_id, p_system);
  return format('%s is %s %s from now on: it is read, and gets the pointers', p_external_id, p_entity, v_id);
end $$;

-- Where this database is: the identity of its server, and its own there. A dump or a template copies neither; a copy of the server's
-- files copies both, and a standby that is promoted is no copy.
-- https://www.postgresql.org/docs/17/functions-info.html#FUNCTIONS-PG-CONTROL-SYSTEM
create or replace function sync.home() returns text language plpgsql stable as $$
declare
  v_server text;
begin
  begin
    select c.system_identifier::text into v_server from pg_control_system() c;
  exception when insufficient_privilege or undefined_function then
    v_server := 'unknown';
  end;
  return (select format('server %s, database %s (%s)', v_server, d.datname, d.oid) from pg_database d where d.datname = current_database());
end $$;

-- Why a system may not be resumed by sync.resume: a person must say what has happened. Null: it may.
create or replace function sync.held_because(p_system text) returns text language sql stable as $$
  select case
    when i.other_home is not null then format(
      'another database: installation %s was started in %s, and this is %s. If it has moved here (a restored backup, new hardware) and the other one '
      || 'is gone for good: select sync.keep_installation(). If it is a copy beside the other one: select sync.new_installation(), which '
      || 'forgets all links', i.id, i.home, i.other_home)
    when s.other_account is not null then format(
      'another account: the key belongs to %s, and the links of %s were made with %s. Give it a key of %3$s and start again. If %1$s is to be '
      || 'used from now on: select sync.accept_account(%4$L), which forgets the links', s.other_account, s.name, s.account, s.name) end
    from sync.installation i left join sync.system s on s.name = p_system;
$$;

-- Pauses what is not paused yet, with that reason.
create or replace function sync.hold(p_system text) returns void language plpgsql as $$
declare
  v_because text := sync.held_because(p_system);
begin
  insert into sync.system (name) values (p_system) on conflict do nothing;
  update sync.system s
     set out_paused_because = case when s.out_paused_at is null or sync.is_held(s.out_paused_because) then v_because else s.out_paused_because end,
         in_paused_because  = case when s.in_paused_at is null or sync.is_held(s.in_paused_because) then v_because else s.in_paused_because end,
         out_paused_at      = coalesce(s.out_paused_at, clock_timestamp()),
         in_paused_at       = coalesce(s.in_paused_at, clock_timestamp())
   where s.name = p_system;
end $$;

-- Whether a pause ends by itself, and gives way to a stronger reason.
create or replace function sync.is_held(p_because text) returns boolean language sql immutable as $$
  select starts_with(p_because, 'another account: ') or starts_with(p_because, 'another database: ') or starts_with(p_because, 'first contact: ');
$$;

-- The opposite, if no other reason is left. What a person paused stays paused, and so does what waits for a first contact.
create or replace function sync.let_go(p_system text) returns void language plpgsql as $$
declare
  v_meets boolean := exists (select from sync.run r where r.system = p_system and r.because = 'first contact' and r.mode <> 'diff'
                                                     and r.state not in ('done', 'cancelled'));
begin
  if sync.held_because(p_system) is not null then
    perform sync.hold(p_system);
    return;
  end if;
  update sync.system s
     set out_paused_at      = case when v_meets or not sync.is_held(s.out_paused_because) then s.out_paused_at end,
         out_paused_because = case when v_meets and sync.is_held(s.out_paused_because) then 'first contact: until it is known which objects exist already'
                                   when not sync.is_held(s.out_paused_because) then s.out_paused_because end,
         in_paused_at       = case when sync.is_held(s.in_paused_because) then null else s.in_paused_at end,
         in_paused_because  = case when sync.is_held(s.in_paused_because) then null else s.in_paused_because end
   where s.name = p_system;
end $$;

create or replace function sync.known_systems() returns setof text language sql stable as $$
  select s.name from sync.system s union select i.system from sync.integration i union select l.system from sync.link l;
$$;

-- Looks, at each start, whether this is the database in which the installation was started before. If not, all systems are paused in both
-- directions, before anything is sent or applied. Returns why, or null.
create or replace function sync.check_installation() returns text language plpgsql as $$
declare
  i        sync.installation;
  v_home   text := sync.home();
  v_system text;
begin
  select * into strict i from sync.installation for update;
  if i.home is null or i.home = v_home then
    update sync.installation set home = v_home, other_home = null where (home, other_home) is distinct from (v_home, null);
    if i.other_home is not null then
      perform sync.let_go(s) from sync.known_systems() s;
    end if;
    return null;
  end if;
  update sync.installation set other_home = v_home;
  for v_system in select * from sync.known_systems() loop
    perform sync.hold(v_system);
  end loop;
  return sync.held_because('');
end $$;

-- This is the same installation, in another place. Goes on.
create or replace function sync.keep_installation() returns text language plpgsql as $$
begin
  update sync.installation set home = sync.home(), other_home = null;
  perform sync.let_go(s) from sync.known_systems() s;
  return format('installation %s goes on here. After a restored backup compare both sides: select sync.reconcile_all(system, ''diff'', ''a backup was restored'') '
                || 'from (select distinct system from sync.link) s', sync.hub());
end $$;

-- Whether a system is only told things, such as who is welcomed: what it was told is no object of an account.
create or replace function sync.is_told_only(p_system text) returns boolean language plpgsql stable as $$
begin
  return (select coalesce(bool_and(array_to_string(i.fields, '') = ''), false) from sync.integration i where i.system = p_system);
end $$;

-- This is another installation from now on: with an id of its own, and no link. The rows stay; the objects that they had are the other
-- installation's.
create or replace function sync.new_installation() returns text language plpgsql as $$
declare
  v_system text;
begin
  update sync.installation
     set id = left(translate(encode(decode(md5(gen_random_uuid()::text), 'hex'), 'base64'), '+/=', ''), 12),
         created_at = now(), home = sync.home(), other_home = null;
  for v_system in select * from sync.known_systems() loop
    if not sync.is_told_only(v_system) then
      perform sync.forget_system(v_system);
      delete from sync.event e where e.system = v_system;
      update sync.system s set account = null, other_account = null where s.name = v_system;
    end if;
    perform sync.let_go(v_system);
  end loop;
  return format('this is installation %s, and nothing is linked', sync.hub());
end $$;

-- Takes the id of another installation, whose objects are this one's from now on: of a database that is gone for good. A reconcile links
-- them.
create or replace function sync.adopt_installation(p_id text) returns text language plpgsql as $$
begin
  update sync.installation set id = p_id;
  delete from sync.foreign_object f where f.hub = p_id;
  return format('this is installation %s: select sync.reconcile(system, entity, ''link'') from sync.integration where fields <> ''{}'' links what it made', p_id);
end $$;

-- Forgets all that is known of a system's objects, but not its events.
create or replace function sync.forget_system(p_system text) returns void language plpgsql as $$
begin
  delete from sync.link l where l.system = p_system;
  delete from sync.tombstone t where t.system = p_system;
  delete from sync.failure f where f.system = p_system;
  delete from sync.foreign_object f where f.system = p_system;
  delete from sync.event e where e.system = p_system and (e.outcome in ('failed', 'waiting') or e.waits_for is not null);
  delete from sync.run r where r.system = p_system;
  update sync.job j set position = null where j.name = 'poll-' || p_system;
end $$;

-- Takes note of the account that a system's key belongs to. Returns null, or why the system is paused in both directions now: its links were
-- made with another account.
create or replace function sync.note_account(p_system text, p_account text) returns text language plpgsql as $$
declare
  s sync.system;
begin
  insert into sync.system (name) values (p_system) on conflict do nothing;
  select * into strict s from sync.system t where t.name = p_system for update;
  if s.account = p_account then
    if s.other_account is not null then
      -- What came meanwhile may be the other account's.
      delete from sync.event e
       where e.system = p_system and e.outcome = 'held' and e.received_at >= s.in_paused_at and starts_with(s.in_paused_because, 'another account: ');
      update sync.system t set other_account = null where t.name = p_system;
      perform sync.let_go(p_system);
      perform sync.reconcile_all(p_system, 'heal', 'the key is that of ' || p_account || ' again');
    end if;
    return null;
  elsif s.account is null or not exists (select from sync.link l where l.system = p_system and l.external_id is not null) then
    update sync.system t set account = p_account, other_account = null where t.name = p_system;
    perform sync.let_go(p_system);
    return null;
  end if;
  update sync.system t set other_account = p_account where t.name = p_system;
  perform sync.hold(p_system);
  return sync.held_because(p_system);
end $$;

-- The other account is to be used from now on. Nothing in it is linked yet; the rows stay, and what is in the former account stays there.
create or replace function sync.accept_account(p_system text) returns text language plpgsql as $$
declare
  s sync.system;
begin
  select * into s from sync.system t where t.name = p_system and t.other_account is not null for update;
  if not found then
    return format('%s has no other account', p_system);
  end if;
  perform sync.forget_system(p_system);
  update sync.system t set account = s.other_account, other_account = null where t.name = p_system;
  perform sync.let_go(p_system);
  return format('%s is %s from now on, and nothing is linked: see sync.run for the first contact', p_system, s.other_account);
end $$;
