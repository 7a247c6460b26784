-- Hints: events that only say that something happened to an object, such as those of another API version. The object is read.
-- Repeatable: every statement replaces what is there.

-- The hints whose objects are to be read now, oldest first; of a kind that may not be read, one now and then. Whoever takes them
-- reads each and applies what it says under the event's id, with "read" in the event; or calls sync.put_off_hint or
-- sync.end_hint. Else they are taken again after half a minute.
create or replace function sync.take_hints(p_system text, p_limit integer) returns table (event_id text, entity text, event text) language plpgsql as $$
begin
  if exists (select from sync.system s where s.name = p_system and (s.in_paused_at is not null or s.open_since is not null)) then
    return;
  end if;
  return query
    with wanted as (
      select w.event_id, c.probe_at,
             row_number() over (partition by c.entity order by w.created) as n
        from sync.event w
        left join sync.scope c on c.system = w.system and c.entity = w.entity and c.direction = 'in' and c.stopped_at is not null
       where w.system = p_system and w.outcome = 'hint' and w.held is not null and (w.try_at is null or w.try_at <= clock_timestamp())
         and (c.probe_at is null or c.probe_at <= clock_timestamp()) and not sync.is_blocked(w.system, w.entity)
       order by w.created limit p_limit
    ), taken as (
      update sync.event h set tries = h.tries + 1, try_at = clock_timestamp() + interval '30 seconds'
       where h.system = p_system and h.event_id in (
               select e.event_id from sync.event e join wanted w on w.event_id = e.event_id
                where e.system = p_system and e.outcome = 'hint' and (w.probe_at is null or w.n = 1) for update of e skip locked)
      returning h.event_id, h.entity, h.held ->> 'event' as event)
    select * from taken;
end $$;

-- The object of a hint cannot be read now: it is read again after a pause, which doubles from two seconds to five minutes. p_denied: for
-- want of a permission. Then its kind is not read until there is one; or if others of its kind are, it is a failure. p_lasting: nothing is away,
-- so that it is hardly different the next time: after five tries it is a failure, too.
create or replace function sync.put_off_hint(p_system text, p_event_id text, p_denied boolean, p_permission text, p_lasting boolean, p_reason text)
returns void language plpgsql as $$
declare
  e sync.event;
begin
  select * into e from sync.event t where t.system = p_system and t.event_id = p_event_id and t.outcome = 'hint' for update;
  if not found then
    return;
  elsif p_denied and not sync.stop_scope(p_system, e.entity, 'in', p_permission, p_reason, e.external_id, true) then
    perform sync.record_failure(p_system, e.entity, e.external_id, 'in', 'permanent', 'denied',
                                'others of its kind may be read, but this one may not: ' || p_reason, p_event_id, null);
    update sync.event t set outcome = 'failed' where t.system = p_system and t.event_id = p_event_id;
  elsif not p_denied and p_lasting and e.tries >= 5 then
    perform sync.record_failure(p_system, e.entity, e.external_id, 'in', 'permanent', 'unread',
                                format('its object cannot be read and mapped: %s: once that is mended, select sync.retry(%L, %L, %L)',
                                       left(p_reason, 600), p_system, e.entity, e.external_id), p_event_id, null);
    update sync.event t set outcome = 'failed' where t.system = p_system and t.event_id = p_event_id;
  else
    update sync.event t
       set try_at = case when p_denied then clock_timestamp() else clock_timestamp() + make_interval(secs => least(300, 2 ^ least(t.tries, 10))) end
     where t.system = p_system and t.event_id = p_event_id;
  end if;
end $$;

-- The object of a hint is not there. It has no record here either, so nothing follows from that.
create or replace function sync.end_hint(p_system text, p_event_id text) returns void language sql as $$
  update sync.event set outcome = 'missing', held = null where system = p_system and event_id = p_event_id and outcome = 'hint';
$$;
