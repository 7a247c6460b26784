-- Records that consist of several rows, and records that refer to each other: see docs/how-it-works.md.

alter table sync.entity
  add column part_of text,                          -- its rows are parts of that entity's records: invoice_items of invoices
  add column part_key name,                         -- its column with the id of that record
  add column part_columns text[],                   -- what of a row is shown in that record
  add column parts text[] not null default '{}',    -- the entities that are parts of this one
  add column refs jsonb not null default '{}';      -- its columns that hold the id of a tracked record, and of which entity

-- The record that must have an object before this one can be sent: entity/id.
alter table sync.link add column waits_for text;
create index link_waits_for on sync.link (waits_for) where waits_for is not null;

-- An event that names an object which the hub does not have yet: entity/external id. It is applied once that is there.
alter table sync.event add column waits_for text;
create index event_waits_for on sync.event (system, created) where waits_for is not null;

-- When a system was first heard of: see sync.meets_soon.
alter table sync.system add column met_at timestamptz not null default clock_timestamp();

-- Steps whose parameters have changed since; the repeatable migrations make them anew.
drop function if exists sync.track(text);
drop function if exists sync.winner(text, text, jsonb, timestamptz);
drop function if exists sync.advance(sync.link, text, jsonb, timestamptz, text[]);
drop function if exists sync.claim(text, text, text, text[], interval, text);
