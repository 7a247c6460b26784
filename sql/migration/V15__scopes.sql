-- What may not be called, and events that only say that something happened.

-- A kind of object that a system does not let us read (in) or write (out), because a permission is missing. The rest goes on.
-- A row that was opened again is kept: it tells which object was refused although others were not.
create table sync.scope (
  system      text        not null,
  entity      text        not null,             -- or events, for the list of them
  direction   text        not null constraint scope_direction_is_in_or_out check (direction in ('in', 'out')),
  stopped_at  timestamptz,                      -- null: opened again
  permission  text,                             -- the system's name of what is missing, if it told
  reason      text        not null,
  object      text        not null default '',  -- the record, or else the object, at which it was stopped
  probe_at    timestamptz not null,             -- when one call may try again
  probe_token bigint,                           -- the lease under which it does
  probes      integer     not null default 0,
  primary key (system, entity, direction)
);

-- Of an event that is a hint about an object without a record: when it is read (again).
alter table sync.event
  add column try_at timestamptz,
  add column tries  integer not null default 0;
create index event_hint on sync.event (system, created) where outcome = 'hint' and held is not null;

drop function if exists sync.fail(text, text, text, bigint, text, boolean, boolean, boolean, text, text, text, text, numeric, jsonb);
