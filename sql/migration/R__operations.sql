-- Pausing, the circuit, rates, instances and jobs: what a person or another instance decides about a system.
-- Repeatable: every statement replaces what is there.

create or replace function sync.check_direction(p_direction text) returns void language plpgsql immutable as $$
begin
  if p_direction not in ('in', 'out', 'both') then
    raise exception 'there is no direction %', p_direction using hint = 'Say in, out or both.';
  end if;
end $$;

-- Warns of a name that nothing is known of: it may be right, before the first start.
create or replace function sync.mind_name(p_system text) returns void language plpgsql as $$
begin
  if not exists (select from sync.system s where s.name = p_system)
     and not exists (select from sync.link l where l.system = p_system) and not exists (select from sync.event e where e.system = p_system) then
    raise warning 'nothing is known of a system %: is the name right?', p_system
      using hint = coalesce((select 'Known are: ' || string_agg(s.name, ', ' order by s.name) from sync.system s), 'No system is known yet.');
  end if;
end $$;

-- Stops the sync with a system in one direction or both, on all instances, until sync.resume. Nothing is lost: records
-- that change meanwhile are parked, events that come are stored. A call that is under way ends as usual.
create or replace function sync.pause(p_system text, p_direction text default 'both', p_because text default 'paused by hand')
returns void language plpgsql as $$
begin
  perform sync.check_direction(p_direction);
  perform sync.mind_name(p_system);
  insert into sync.system (name) values (p_system) on conflict do nothing;
  update sync.system
     set out_paused_at      = case when p_direction in ('out', 'both') then coalesce(out_paused_at, clock_timestamp()) else out_paused_at end,
         out_paused_because = case when p_direction in ('out', 'both') then p_because else out_paused_because end,
         in_paused_at       = case when p_direction in ('in', 'both') then coalesce(in_paused_at, clock_timestamp()) else in_paused_at end,
         in_paused_because  = case when p_direction in ('in', 'both') then p_because else in_paused_because end
   where name = p_system;
end $$;

-- Goes on, and catches up. Says what waits; or why not, when a person must say first what has happened: see sync.held_because.
create or replace function sync.resume(p_system text, p_direction text default 'both') returns text language plpgsql as $$
begin
  perform sync.check_direction(p_direction);
  if sync.held_because(p_system) is not null then
    return format('%s stays paused: %s', p_system, sync.held_because(p_system));
  end if;
  update sync.system
     set out_paused_at      = case when p_direction in ('out', 'both') then null else out_paused_at end,
         out_paused_because = case when p_direction in ('out', 'both') then null else out_paused_because end,
         in_paused_at       = case when p_direction in ('in', 'both') then null else in_paused_at end,
         in_paused_because  = case when p_direction in ('in', 'both') then null else in_paused_because end
   where name = p_system;
  perform sync.open_scopes(p_system, p_direction);
  return format('%s records to send, %s events to apply',
                (select count(*) from sync.link where system = p_system and parked_at is not null),
                (select count(*) from sync.event where system = p_system and outcome = 'held'));
end $$;

create or replace function sync.is_paused_in(p_system text) returns boolean language plpgsql stable as $$
begin
  return exists (select from sync.system where name = p_system and in_paused_at is not null);
end $$;

-- Whether the holder of that lease may call the system. While the circuit is open, one may now and then: the probe.
create or replace function sync.may_call(p_system text, p_token bigint) returns boolean language plpgsql as $$
declare
  s sync.system;
begin
  select * into s from sync.system t where t.name = p_system;
  if not found or s.out_paused_at is null and s.open_since is null then
    return true;
  end if;
  if s.out_paused_at is not null or s.probe_at > clock_timestamp() then
    return false;
  end if;
  update sync.system
     set probe_token = p_token, probe_at = clock_timestamp() + interval '30 seconds' -- unless its outcome says otherwise
   where name = p_system and out_paused_at is null and probe_at <= clock_timestamp();
  return found;
end $$;

-- The system does not answer: nobody calls it but a probe, first after five seconds, then after up to a minute.
create or replace function sync.open_circuit(p_system text, p_because text) returns void language plpgsql as $$
begin
  insert into sync.system (name) values (p_system) on conflict do nothing;
  update sync.system
     set open_since = clock_timestamp(), open_because = p_because, probe_at = clock_timestamp() + interval '5 seconds', probes = 0, probe_token = null
   where name = p_system and open_since is null;
end $$;

-- Takes note of how a probe ended, if that call was one: whoever answers is there.
create or replace function sync.end_probe(p_system text, p_token bigint, p_answered boolean) returns void language plpgsql as $$
begin
  update sync.system
     set open_since   = case when not p_answered then open_since end,
         open_because = case when not p_answered then open_because end,
         probe_at     = case when not p_answered then clock_timestamp() + make_interval(secs => least(60, 5 * 2 ^ least(probes, 10))) end,
         probe_token  = null,
         probes       = case when p_answered then 0 else probes + 1 end
   where name = p_system and probe_token = p_token;
end $$;

-- Asks again for records that wait for their system, oldest first, if it may be called: p_limit of each system's, or
-- one when its circuit is open and a probe is due; and one of each kind of object that lacks a permission, when it is to be tried. Returns how many. Several instances may call it at once.
create or replace function sync.unpark(p_limit integer) returns bigint language plpgsql as $$
declare
  s       record;
  v_count bigint := 0;
  v_some  bigint;
begin
  perform sync.unblock();
  perform sync.block_replaced();
  perform sync.release_brakes();
  for s in
    select p.name, t.in_paused_at is not null as in_paused, case when t.open_since is null then p_limit else 1 end as batch
      from (with recursive parked (name) as (
              (select l.system from sync.link l where l.parked_at is not null order by l.system limit 1)
              union all
              select (select l.system from sync.link l where l.parked_at is not null and l.system > parked.name order by l.system limit 1)
                from parked where parked.name is not null)
            select name from parked where name is not null) p
      left join sync.system t on t.name = p.name
     where t.name is null or t.out_paused_at is null and (t.open_since is null or t.probe_at <= clock_timestamp())
  loop
    with chosen as (
      update sync.link l set parked_at = null
       where (l.system, l.entity, l.record_id) in (
               select k.system, k.entity, k.record_id from sync.link k
                where k.system = s.name and k.parked_at is not null and (k.look_at is null or not s.in_paused)
                  and not sync.is_blocked(k.system, k.entity)
                  and not exists (select from sync.scope c
                                   where c.system = k.system and c.entity = k.entity and c.stopped_at is not null
                                     and c.direction = case when k.look_at is null then 'out' else 'in' end)
                order by k.parked_at limit s.batch for update skip locked)
      returning l.system, l.entity, l.record_id)
    select count(sync.poke(entity, record_id, system)) into v_some from chosen;
    v_count := v_count + v_some;
  end loop;
  return v_count + sync.probe_scopes();
end $$;

-- One bucket of a rate: when the next call may begin. Up to a quarter of a second's calls may come at once.
create or replace function sync.reserve(p_system text, p_class text, p_rate numeric, p_background boolean, p_take boolean)
returns timestamptz language plpgsql as $$
declare
  r       sync.rate;
  v_now   timestamptz := clock_timestamp();
  v_start timestamptz;
  v_rate  numeric;
begin
  select * into r from sync.rate t where t.system = p_system and t.class = p_class for update;
  if not found then
    insert into sync.rate (system, class, next_at, rate) values (p_system, p_class, '-infinity', p_rate) on conflict do nothing;
    select * into strict r from sync.rate t where t.system = p_system and t.class = p_class for update;
  end if;
  -- Having been slowed down, it gets faster by a twentieth of the allowed rate a second.
  v_rate := case when r.slowed_at = '-infinity' then p_rate
                 else least(p_rate, r.rate + p_rate * extract(epoch from v_now - r.slowed_at) / 20) end;
  v_start := greatest(r.next_at, v_now - interval '250 milliseconds');
  if p_background and v_start > v_now - interval '125 milliseconds' then
    return null; -- what is left is kept for others
  end if;
  if p_take then
    update sync.rate t set next_at = v_start + make_interval(secs => (1 / v_rate)::float8) where t.system = p_system and t.class = p_class;
  end if;
  return v_start;
end $$;

-- Reserves a call to a system, and to one class of its endpoints, p_rate a second at most for all instances together.
-- Returns the milliseconds to wait before the call; or minus the milliseconds after which to ask again, for background
-- work while others need what there is.
create or replace function sync.permit(p_system text, p_class text, p_rate numeric, p_background boolean) returns bigint language plpgsql as $$
declare
  v_start timestamptz;
begin
  if p_background and (sync.reserve(p_system, '', p_rate, true, false) is null or sync.reserve(p_system, p_class, p_rate, true, false) is null) then
    return -20;
  end if;
  v_start := greatest(sync.reserve(p_system, '', p_rate, false, true), sync.reserve(p_system, p_class, p_rate, false, true));
  return greatest(0, ceil(extract(epoch from v_start - clock_timestamp()) * 1000));
end $$;

-- The system said that calls come too fast: to that class of its endpoints, or all together (class ''). Halves the rate,
-- at most once a second, because calls that are under way will hear the same.
create or replace function sync.slow_down(p_system text, p_class text) returns void language sql as $$
  update sync.rate r
     set rate = greatest(1, case when r.slowed_at = '-infinity' then r.rate
                                 else r.rate * (1 + extract(epoch from clock_timestamp() - r.slowed_at) / 20) end / 2),
         slowed_at = clock_timestamp()
   where system = p_system and class = p_class and slowed_at < clock_timestamp() - interval '1 second';
$$;

-- An instance says that it lives.
create or replace function sync.beat(p_instance text) returns void language sql as $$
  insert into sync.instance as i (id, seen_at, steady_since) values (p_instance, clock_timestamp(), clock_timestamp())
  on conflict (id) do update
     set steady_since = case when i.seen_at < clock_timestamp() - interval '3 seconds' then excluded.steady_since else i.steady_since end,
         seen_at = excluded.seen_at;
  delete from sync.instance where seen_at < clock_timestamp() - interval '1 day';
$$;

-- Gives one instance at a time a job that is done for all, for so long; sooner to another one when its holder has missed
-- five seconds of beats, in the eyes of one who has not missed any. Says whether it has it.
create or replace function sync.take_job(p_name text, p_instance text, p_lease interval) returns boolean language plpgsql as $$
begin
  insert into sync.job as j (name, instance, leased_until) values (p_name, p_instance, clock_timestamp() + p_lease)
  on conflict (name) do update set instance = excluded.instance, leased_until = excluded.leased_until
   where j.instance = p_instance or j.leased_until is null or j.leased_until < clock_timestamp()
      or exists (select from sync.instance me where me.id = p_instance and me.steady_since < clock_timestamp() - interval '5 seconds')
         and not exists (select from sync.instance i where i.id = j.instance and i.seen_at > clock_timestamp() - interval '5 seconds');
  return found;
end $$;

-- Adds to a record's timeline. p_what is a sentence without personal data.
create or replace function sync.note(
  p_entity text, p_record_id text, p_system text, p_kind text, p_what text, p_details jsonb default null) returns void language plpgsql as $$
begin
  insert into sync.activity (entity, record_id, system, kind, what, details)
       values (p_entity, p_record_id, p_system, p_kind, p_what, jsonb_strip_nulls(p_details));
end $$;

-- What happened to a record, oldest first.
create or replace function sync.timeline(p_entity text, p_record_id text)
returns table (at timestamptz, system text, kind text, what text, details jsonb) language sql stable as $$
  select a.at, a.system, a.kind, a.what, a.details
    from sync.activity a where a.entity = p_entity and a.record_id = p_record_id order by a.at;
$$;

-- Makes the days to come, and drops those whose time is over. Returns how many days there are.
create or replace function sync.keep_activity(p_keep interval) returns bigint language plpgsql as $$
declare
  v_today date := (now() at time zone 'UTC')::date;
  v_day   date;
  v_old   record;
begin
  perform pg_advisory_xact_lock(hashtextextended('sync.keep_activity', 0));
  foreach v_day in array array[v_today, v_today + 1, v_today + 2] loop
    if to_regclass(format('sync.activity_%s', to_char(v_day, 'yyyymmdd'))) is null
       and not exists (select from sync.activity_other_days o where o.at >= v_day::timestamp at time zone 'UTC'
                                                                and o.at < (v_day + 1)::timestamp at time zone 'UTC') then
      execute format('create table sync.activity_%s partition of sync.activity for values from (%L) to (%L)',
                     to_char(v_day, 'yyyymmdd'), v_day::timestamp at time zone 'UTC', (v_day + 1)::timestamp at time zone 'UTC');
    end if;
  end loop;
  for v_old in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = 'sync.activity'::regclass and c.relname ~ '^activity_[0-9]{8}$'
       and to_date(right(c.relname, 8), 'yyyymmdd') < ((now() - p_keep) at time zone 'UTC')::date
  loop
    execute format('drop table sync.%I', v_old.relname);
  end loop;
  delete from sync.activity_other_days where at < now() - p_keep;
  return (select count(*) from pg_inherits where inhparent = 'sync.activity'::regclass);
end $$;

select sync.keep_activity('100 years');
