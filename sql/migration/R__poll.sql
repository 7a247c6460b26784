-- Asking a system for events whose webhooks may have been lost: who asks, and from where on.
-- Repeatable: every statement replaces what is there.

-- Gives one instance at a time the next look at a system's events. No row: another one looks, or the system does not
-- answer at present, or does not let us list them.
--
-- reached: up to when the events are known, in seconds since the epoch by the system's clock; at first by ours.
-- since: when to list from: some time before that, because events show late, and several share a second. Never before the
-- first look of all: what is older is for a reconcile.
-- kept_until: from then on the system may have forgotten events that nobody has seen; it keeps them for p_kept.
create or replace function sync.begin_poll(p_system text, p_instance text, p_lease interval, p_overlap interval, p_kept interval)
returns table (since bigint, reached bigint, kept_until bigint) language plpgsql as $$
declare
  v_now      bigint := floor(extract(epoch from clock_timestamp()));
  v_position jsonb;
begin
  -- The first look of all begins now, even if it cannot be had: what happens until it can must be found by it.
  insert into sync.job as j (name, position) values ('poll-' || p_system, jsonb_build_object('first', v_now, 'reached', v_now))
  on conflict (name) do update set position = excluded.position where j.position is null;
  if exists (select from sync.system s where s.name = p_system and s.open_since is not null)
     or sync.is_stopped(p_system, 'events', 'in')
     or not sync.take_job('poll-' || p_system, p_instance, p_lease) then
    return;
  end if;
  v_position := (select j.position from sync.job j where j.name = 'poll-' || p_system);
  reached := (v_position ->> 'reached')::bigint;
  since := greatest(reached - ceil(extract(epoch from p_overlap))::bigint, (v_position ->> 'first')::bigint);
  kept_until := reached + extract(epoch from p_kept)::bigint;
  return next;
end $$;

drop function if exists sync.unknown_events(text, text);

-- Takes note that all events up to then are applied (p_reached null: nothing new), and goes on being the one who looks.
-- False: another instance has taken over.
create or replace function sync.advance_poll(p_system text, p_instance text, p_lease interval, p_reached bigint)
returns boolean language plpgsql as $$
begin
  if not sync.take_job('poll-' || p_system, p_instance, p_lease) then
    return false;
  end if;
  perform sync.open_scope(p_system, 'events', 'in');
  update sync.job j
     set position = j.position || jsonb_build_object('reached', greatest((j.position -> 'reached')::bigint, p_reached))
   where j.name = 'poll-' || p_system and p_reached is not null;
  return true;
end $$;
