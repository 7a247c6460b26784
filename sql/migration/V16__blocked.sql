-- What cannot be seen is not gone, and what cannot be undone asks first.

-- Tables that cannot be synced with a system at present, as a whole: their records wait, and so do events about them.
create table sync.blocked (
  system text        not null,
  entity text        not null,
  cause  text        not null constraint blocked_cause_is_known check (cause in ('table', 'permission')),
  since  timestamptz not null default clock_timestamp(),
  reason text        not null,                         -- what is wrong, and what to do, in words
  primary key (system, entity, cause)
);

-- Rows that were deleted here within the last hour: noted before anybody hears of them, so that a mass delete is known from its first row on.
create table sync.deletion (
  entity    text        not null,
  record_id text        not null,
  at        timestamptz not null,
  primary key (entity, record_id)
);

-- Deletes that wait for a person, because there are too many of them: one row for each table, system and direction.
create table sync.brake (
  system    text        not null,
  entity    text        not null,
  direction text        not null constraint brake_direction_is_in_or_out check (direction in ('in', 'out')),
  since     timestamptz not null default clock_timestamp(),
  primary key (system, entity, direction)
);

-- What is decided about a delete: held_out (the row is gone) and held_in (the object is gone) wait for a person, confirmed goes on, and
-- kept means that the row stays, although its object is gone.
alter table sync.link add column deletion text
  constraint link_deletion_is_known check (deletion in ('held_out', 'held_in', 'confirmed', 'kept'));
create index link_deletion on sync.link (system, entity) where deletion is not null;
create index link_deleted_at on sync.link (system, entity, deleted_at) where deleted_at is not null;

-- More deletes within an hour than both wait for a person.
alter table sync.integration
  add column max_deletes        bigint  not null default 10,
  add column max_delete_percent numeric not null default 5;
