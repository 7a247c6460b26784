-- What is known at this moment about the sync, for metrics, health and people: select * from sync.status()
-- Repeatable: every statement replaces what is there.

create index if not exists conflict_at on sync.conflict using brin (at);

-- One row per fact; what is nought has no row. Only reads, in one round trip, and counts no further than 100,000.
--
-- metric             value                                                  also tells
-- outbox.depth       changes that Kafka does not have yet
-- outbox.age         seconds since the oldest of them was made
-- parked             records that wait for their system                     system, entity
-- in.flight          records that somebody writes at present                system, entity
-- events.held        events that came while their system was paused         system, entity
-- failures           records that do not sync                               system, entity, direction, class
-- conflicts.hour     fields that both sides changed, in the last hour       system, entity
-- paused             1                                                      system, direction, since, reason
-- stopped            1: the system does not let us do that                  system, entity, direction, since, reason
-- events.hints       events that make us read an object, which is not yet   system, entity
-- circuit.open       1                                                      system, since, reason
-- blocked            1: the table cannot be synced as a whole               system, entity, since, reason
-- deletes.held       deletes that wait for a person                         system, entity, direction, since, reason (of a mass delete only)
-- rate.slowed        1: the system said lately that calls come too fast     system, class (of endpoints, or all)
-- transaction.oldest seconds, of all transactions in this database that this user may see
-- instances          that live
-- waiting            seconds for which the oldest piece of work could have been done by somebody, and is not: class says
--                    which kind of work, since identifies the piece, and entity says whose, where there is one
create or replace function sync.status()
returns table (metric text, system text, entity text, direction text, class text, value float8, since timestamptz, reason text)
language sql stable as $$
  with
  changes as (
    select o.entity, min(o.changed_at) as oldest, count(*) as depth
      from (select b.entity, b.changed_at from sync.outbox b order by b.id limit 100000) o group by o.entity
  ),
  parked as (
    select l.system, l.entity, count(*) as records,
           min(l.parked_at) filter (where s.out_paused_at is null and s.open_since is null
                                      and (l.look_at is null or s.in_paused_at is null)
                                      and not exists (select from sync.scope c
                                                       where c.system = l.system and c.entity = l.entity and c.stopped_at is not null
                                                         and c.direction = case when l.look_at is null then 'out' else 'in' end)) as oldest
      from (select k.system, k.entity, k.parked_at, k.look_at from sync.link k where k.parked_at is not null
             order by k.system, k.parked_at limit 100000) l
      left join sync.system s on s.name = l.system
     group by l.system, l.entity
  ),
  leases as (
    select l.system, l.entity, count(*) filter (where l.lease_until >= clock_timestamp()) as records,
           min(l.lease_until) filter (where l.lease_until < clock_timestamp()) as oldest
      from sync.link l where l.lease_until is not null group by l.system, l.entity
  ),
  held as (
    select e.system, e.entity, count(*) as events, min(e.received_at) filter (where s.in_paused_at is null) as oldest
      from (select h.system, h.entity, h.received_at from sync.event h where h.outcome = 'held' order by h.system, h.entity, h.created limit 100000) e
      left join sync.system s on s.name = e.system
     group by e.system, e.entity
  ),
  hints as (
    select h.system, h.entity, count(*) as events,
           min(h.received_at) filter (where s.in_paused_at is null and s.open_since is null
                                        and not exists (select from sync.scope c
                                                         where c.system = h.system and c.entity = h.entity and c.direction = 'in' and c.stopped_at is not null)) as oldest
      from (select e.system, e.entity, e.received_at from sync.event e where e.outcome = 'hint' and e.held is not null order by e.system, e.created limit 100000) h
      left join sync.system s on s.name = h.system
     group by h.system, h.entity
  ),
  failures as (
    select f.system, f.entity, f.direction, f.class, count(*) as records,
           min(f.next_attempt_at) filter (where f.next_attempt_at <= clock_timestamp()) as oldest
      from sync.failure f group by f.system, f.entity, f.direction, f.class
  ),
  waiting (class, system, entity, oldest) as (
    select 'changes', null::text, c.entity, oldest from changes c
    union all select 'parked', p.system, p.entity, oldest from parked p
    union all select 'leases', l.system, l.entity, oldest from leases l
    union all select 'events', h.system, h.entity, oldest from held h
    union all select 'hints', h.system, h.entity, oldest from hints h
    union all select 'retries', f.system, f.entity, min(oldest) from failures f group by f.system, f.entity
  )
  select 'outbox.depth', null, null, null, null, coalesce(sum(depth), 0), null::timestamptz, null from changes
  union all select 'outbox.age', null, null, null, null, coalesce(extract(epoch from clock_timestamp() - min(oldest)), 0), min(oldest), null from changes
  union all select 'parked', p.system, p.entity, null, null, records, null, null from parked p
  union all select 'in.flight', l.system, l.entity, null, null, records, null, null from leases l where records > 0
  union all select 'events.held', h.system, h.entity, null, null, events, null, null from held h
  union all select 'failures', f.system, f.entity, f.direction, f.class, records, null, null from failures f
  union all select 'conflicts.hour', c.system, c.entity, null, null, count(*), null, null
              from sync.conflict c where c.at > now() - interval '1 hour' group by c.system, c.entity
  union all select 'paused', s.name, null, 'out', null, 1, out_paused_at, out_paused_because from sync.system s where out_paused_at is not null
  union all select 'paused', s.name, null, 'in', null, 1, in_paused_at, in_paused_because from sync.system s where in_paused_at is not null
  union all select 'events.hints', h.system, h.entity, null, null, events, null, null from hints h
  union all select 'stopped', c.system, c.entity, c.direction, null, 1, c.stopped_at, c.reason from sync.scope c where c.stopped_at is not null
  union all select 'circuit.open', s.name, null, null, null, 1, open_since, open_because from sync.system s where open_since is not null
  union all select 'blocked', b.system, b.entity, null, null, 1, b.since, b.reason from sync.blocked b
  union all select 'deletes.held', h.system, h.entity, h.direction, null, h.records, b.since,
                   case when b.since is not null then format(
                     '%s %s were deleted %s within an hour, too many to follow unasked: they wait. If that is right, select sync.confirm_deletes(%L, %L); if not, select sync.cancel_deletes(%4$L, %5$L)',
                     h.records, h.entity, case h.direction when 'out' then 'in the hub' else 'in ' || h.system end, h.system, h.entity) end
              from (select l.system, l.entity, case l.deletion when 'held_out' then 'out' else 'in' end as direction, count(*) as records
                      from sync.link l where l.deletion in ('held_out', 'held_in') group by 1, 2, 3) h
              left join sync.brake b on b.system = h.system and b.entity = h.entity and b.direction = h.direction
  union all select 'rate.slowed', r.system, null, null, coalesce(nullif(r.class, ''), 'all'), 1, slowed_at, null
              from sync.rate r where r.slowed_at > clock_timestamp() - interval '20 seconds'
  union all select 'transaction.oldest', null, null, null, null, coalesce(max(extract(epoch from clock_timestamp() - a.xact_start)), 0), null, null
              from pg_stat_activity a where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'
  union all select 'instances', null, null, null, null, count(*), null, null from sync.instance i where i.seen_at > clock_timestamp() - interval '5 seconds'
  union all select 'waiting', w.system, w.entity, null, w.class, extract(epoch from clock_timestamp() - oldest), oldest, null
              from waiting w where oldest is not null;
$$;
