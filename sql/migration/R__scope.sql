-- What a system does not let us do: a missing permission stops one kind of object, in one direction, and nothing else.
-- Repeatable: every statement replaces what is there.

-- Whether reading (in) or writing (out) that kind of object is stopped at present, and no call is due to try again.
create or replace function sync.is_stopped(p_system text, p_entity text, p_direction text) returns boolean language plpgsql stable as $$
begin
  return exists (select from sync.scope c
                  where c.system = p_system and c.entity = p_entity and c.direction = p_direction and c.stopped_at is not null and c.probe_at > clock_timestamp());
end $$;

-- Whether nothing of that kind may be read at present: paused by a person, or for want of a permission.
create or replace function sync.is_paused_in(p_system text, p_entity text) returns boolean language plpgsql stable as $$
begin
  return sync.is_paused_in(p_system) or sync.is_stopped(p_system, p_entity, 'in');
end $$;

-- Whether the holder of that lease may read or write that kind of object. While it is stopped, one may now and then: the probe.
create or replace function sync.may_touch(p_system text, p_entity text, p_direction text, p_token bigint) returns boolean language plpgsql as $$
begin
  if not exists (select from sync.scope c where c.system = p_system and c.entity = p_entity and c.direction = p_direction and c.stopped_at is not null) then
    return true;
  end if;
  update sync.scope
     set probe_token = p_token, probe_at = clock_timestamp() + interval '30 seconds' -- unless its outcome says otherwise
   where system = p_system and entity = p_entity and direction = p_direction and stopped_at is not null and probe_at <= clock_timestamp();
  return found;
end $$;

-- Takes note that an object was refused for want of a permission. p_object: the record, or else the object; p_probe: whether that call
-- was to try again. Returns false when others of its kind are not refused, so that it is about this one alone; else the kind is
-- stopped, and tried again after five seconds, later after up to a minute.
create or replace function sync.stop_scope(
  p_system text, p_entity text, p_direction text, p_permission text, p_reason text, p_object text, p_probe boolean default false) returns boolean language plpgsql as $$
begin
  if sync.is_refused_alone(p_system, p_entity, p_direction, p_object) then
    return false;
  end if;
  insert into sync.scope as c (system, entity, direction, stopped_at, permission, reason, object, probe_at)
       values (p_system, p_entity, p_direction, clock_timestamp(), p_permission, left(p_reason, 1000), p_object, clock_timestamp() + interval '5 seconds')
  on conflict (system, entity, direction) do update
     set stopped_at = coalesce(c.stopped_at, excluded.stopped_at), permission = excluded.permission, reason = excluded.reason, object = excluded.object,
         probe_at = case when c.stopped_at is null then excluded.probe_at
                         when p_probe then clock_timestamp() + make_interval(secs => least(60, 5 * 2 ^ least(c.probes, 10)))
                         else c.probe_at end,
         probes = case when c.stopped_at is null then 0 when p_probe then c.probes + 1 else c.probes end
   where c.probe_at < 'infinity'; -- what a first contact stopped, its end opens
  return true;
end $$;

-- Whether it was this one that was refused before others of its kind were not.
create or replace function sync.is_refused_alone(p_system text, p_entity text, p_direction text, p_object text) returns boolean language sql stable as $$
  select exists (select from sync.scope c
                  where c.system = p_system and c.entity = p_entity and c.direction = p_direction and c.stopped_at is null and c.object = p_object and p_object <> ''
                    and c.opened_at > clock_timestamp() - interval '10 minutes');
$$;

-- Takes note of how a probe ended, if that call was one.
create or replace function sync.end_scope_probe(p_system text, p_token bigint, p_granted boolean) returns void language plpgsql as $$
begin
  update sync.scope c
     set stopped_at = case when p_granted then null else c.stopped_at end,
         opened_at = case when p_granted then clock_timestamp() else c.opened_at end,
         probe_at = case when p_granted then c.probe_at else clock_timestamp() + make_interval(secs => least(60, 5 * 2 ^ least(c.probes, 10))) end,
         probes = case when p_granted then 0 else c.probes + 1 end,
         probe_token = null
   where c.system = p_system and c.probe_token = p_token;
end $$;

-- A call was made that needs no lease, and it was granted: others may go, too.
create or replace function sync.open_scope(p_system text, p_entity text, p_direction text) returns void language sql as $$
  update sync.scope set stopped_at = null, opened_at = clock_timestamp(), probe_token = null, probes = 0
   where system = p_system and entity = p_entity and direction = p_direction and stopped_at is not null and probe_at < 'infinity';
$$;

-- A person says that the permissions are there. What waits for the first contact of its table waits on.
create or replace function sync.open_scopes(p_system text, p_direction text) returns void language sql as $$
  delete from sync.scope where system = p_system and p_direction in (direction, 'both') and probe_at < 'infinity';
$$;

-- Asks for one record of each kind that is stopped and due to be tried again, the one that waits for longest. Returns how many.
create or replace function sync.probe_scopes() returns bigint language plpgsql as $$
declare
  v_count bigint;
begin
  with due as (
    select c.system, c.entity, k.record_id
      from sync.scope c, lateral (
             select l.record_id from sync.link l
              where l.system = c.system and l.parked_at is not null and l.entity = c.entity and (l.look_at is null) = (c.direction = 'out')
              order by l.parked_at limit 1 for update skip locked) k
     where c.stopped_at is not null and c.probe_at <= clock_timestamp() and not sync.is_blocked(c.system, c.entity)
       and not exists (select from sync.system s where s.name = c.system and (s.out_paused_at is not null or s.open_since is not null))
  ), chosen as (
    update sync.link l set parked_at = null from due d where l.system = d.system and l.entity = d.entity and l.record_id = d.record_id
    returning l.system, l.entity, l.record_id)
  select count(sync.poke(entity, record_id, system)) into v_count from chosen;
  return v_count;
end $$;

-- Stops a run that may not read what it needs, until it may. While the first contact of a table waits for that, nothing of it goes
-- out, and the other tables go on.
create or replace function sync.deny_run(p_run_id bigint, p_permission text, p_reason text) returns void language plpgsql as $$
declare
  r sync.run;
begin
  select * into r from sync.run t where t.id = p_run_id and t.state = 'running' for update;
  if not found then
    return;
  end if;
  perform from sync.system s where s.name = r.system for update;
  perform sync.stop_scope(r.system, r.entity, 'in', p_permission, p_reason, '', true);
  update sync.run t set state = 'waiting', reason = left(p_reason, 1000) where t.id = r.id;
  if r.because = 'first contact' and r.mode <> 'diff' then
    insert into sync.scope as c (system, entity, direction, stopped_at, permission, reason, probe_at)
         values (r.system, r.entity, 'out', clock_timestamp(), p_permission, 'first contact: until it is known which objects exist already. ' || p_reason, 'infinity')
    on conflict (system, entity, direction) do update
       set stopped_at = coalesce(c.stopped_at, excluded.stopped_at), permission = excluded.permission, reason = excluded.reason, probe_at = 'infinity';
    perform sync.end_first_contact(r.system);
  end if;
end $$;

-- The live sync goes on when all first contacts have ended, but for those that lack a permission.
create or replace function sync.end_first_contact(p_system text) returns void language plpgsql as $$
begin
  delete from sync.scope c
   where c.system = p_system and c.direction = 'out' and c.probe_at = 'infinity'
     and not exists (select from sync.run o where o.system = c.system and o.entity = c.entity and o.because = 'first contact' and o.state not in ('done', 'cancelled'));
  update sync.system s set out_paused_at = null, out_paused_because = null
   where s.name = p_system and s.out_paused_because like 'first contact: %'
     and not exists (select from sync.run o
                      where o.system = p_system and o.because = 'first contact' and o.state not in ('done', 'cancelled')
                        and not exists (select from sync.scope c
                                         where c.system = p_system and c.entity = o.entity and c.direction = 'out' and c.probe_at = 'infinity'));
end $$;
