-- What keeps the sync safe when something does not work, and what a person sees and may change while it runs.

-- What is known about a system besides its name. No row: it runs, and nothing is wrong.
create table sync.system (
  name               text        primary key,

  -- Paused by a person, or by an error that no retry can mend; see sync.pause and sync.resume.
  out_paused_at      timestamptz,
  out_paused_because text,
  in_paused_at       timestamptz,
  in_paused_because  text,

  -- The circuit, for all instances: closed when open_since is null. While it is open, one call at a time probes.
  open_since         timestamptz,
  open_because       text,
  probe_at           timestamptz,
  probe_token        bigint,                      -- the lease under which the last probe was made
  probes             integer     not null default 0 -- that failed since
);

alter table sync.link
  add column parked_at    timestamptz,  -- has something to send, while its system is paused or does not answer
  add column holder       text,         -- the instance that has the lease
  add column claimed_at   timestamptz,
  add column in_flight_at timestamptz,  -- when the request in flight was first made
  add column find_first   boolean not null default false; -- a create in flight may have been done: it is looked for before it is repeated

-- Led by what tells links apart: with system and entity first, a plan that was made while the table was empty may use
-- the wrong one of the two, and read all links each time.
alter table sync.link drop constraint link_pkey, add primary key (record_id, entity, system);
drop index sync.link_external_id;
create unique index link_external_id on sync.link (external_id, entity, system);

create index link_parked on sync.link (system, parked_at) where parked_at is not null;

-- Events that came while their system was paused, and events that could not be applied, as sync.apply_inbound got them.
alter table sync.event add column held jsonb;
create index event_held on sync.event (system, created) where outcome = 'held';
create index event_failed on sync.event (system, entity, external_id) where outcome = 'failed';

alter table sync.failure add column class text not null default 'permanent'
  constraint failure_class_is_known check (class in ('transient', 'permanent'));
update sync.failure set class = 'transient' where next_attempt_at is not null;

-- The processes that do the work, by their heartbeats. Unlogged: after a crash they beat again.
create unlogged table sync.instance (
  id           text        primary key,
  seen_at      timestamptz not null,
  steady_since timestamptz not null     -- it has not missed a beat since
);

-- How fast each system may be called: one row for the system itself (class ''), one for each class of its endpoints.
-- Unlogged: it settles anew within a second.
create unlogged table sync.rate (
  system    text        not null,
  class     text        not null,
  next_at   timestamptz not null,       -- when the next call may begin, if it is not in the past
  rate      numeric     not null,       -- calls a second, when the system last said that they were too many
  slowed_at timestamptz not null default '-infinity',
  primary key (system, class)
) with (fillfactor = 10);

-- What one instance at a time does for all: a lease, and how far it got.
create table sync.job (
  name         text        primary key,
  instance     text,
  leased_until timestamptz,
  position     jsonb
);

-- The timeline: what happened to each record, in words; by day, so that old days are dropped at once.
create table sync.activity (
  at        timestamptz not null default clock_timestamp(),
  entity    text        not null,
  record_id text        not null,
  system    text        not null default '',
  kind      text        not null constraint activity_kind_is_known check (kind in ('change', 'call', 'event', 'note')),
  what      text        not null,
  details   jsonb
) partition by range (at);

create index activity_record on sync.activity (entity, record_id, at);
create table sync.activity_other_days partition of sync.activity default;

-- Steps whose parameters have changed since; the repeatable migrations make them anew.
drop function if exists sync.claim(text, text, text, text[], interval);
drop function if exists sync.settle(text, text, text, bigint, text, jsonb, timestamptz, boolean, text[], text);
drop function if exists sync.fail(text, text, text, bigint, boolean, boolean, text, text, text, numeric);
drop function if exists sync.record_failure(text, text, text, text, boolean, text, text, text, numeric);
drop function if exists sync.retry_due();
drop function if exists sync.outbox_claim(text, interval, integer, integer, bigint);
