-- The tables behind the sync: what is captured, what is linked to what, what came in, what went wrong.
-- Business tables stay in public and get no extra columns. Flyway runs each migration once.

create schema if not exists sync;

-- A tracked table. Filled by sync.track(), emptied by sync.untrack().
create table sync.entity (
  name           text     primary key,          -- the table's name, and the end of its topic's: changes.<name>
  relation       regclass not null,
  key_column     name     not null,
  key_type       regtype  not null,
  has_updated_at boolean  not null              -- without it the policy newest means: the hub wins
);

-- Captured changes that Kafka has not acknowledged yet. A row leaves only after the acknowledgement.
create table sync.outbox (
  id         bigint      generated always as identity primary key,
  entity     text        not null,
  record_id  text        not null,
  op         text        not null constraint outbox_op_is_debeziums check (op in ('c', 'u', 'd', 'r')),
  origin     text        not null default '',   -- the system whose event caused the change; empty for a local one
  target     text        not null default '',   -- the only system that is asked to look; empty for all
  tx_id      bigint      not null default txid_current(),
  changed_at timestamptz not null default clock_timestamp(),
  before     text,                              -- JSON; as text, its length is known without reading it
  after      text
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000);

-- Who drains the outbox, and whether writers need to wake them: one row, and none at all is fine too.
-- Unlogged, because after a crash an empty table says the right thing: nobody drains, so notify.
create unlogged table sync.drain (
  singleton    boolean     primary key default true constraint drain_is_one_row check (singleton),
  instance     text        not null,
  leased_until timestamptz not null,
  awake_until  timestamptz not null default '-infinity'
) with (fillfactor = 10);

-- Which record is which object in which system, and what the two sides last agreed on.
create table sync.link (
  system        text        not null,
  entity        text        not null,
  record_id     text        not null,
  external_id   text,                           -- null until the system has said it

  -- The last agreed state of the synced fields, as each side spells it.
  hub_base      jsonb,
  remote_base   jsonb,
  unechoed      jsonb,                          -- our writes whose event has not come: see sync.expect_echo
  late_edits    jsonb,                          -- edits there that were told of too late to be merged: see sync.note_late_edit
  last_event_at timestamptz,                    -- the remote's clock at the state in remote_base; a second wide
  in_chain      boolean     not null default false, -- that state came by events that follow each other without a gap
  look_at       timestamptz,                    -- the remote must be read again: something happened there at this time

  -- One write at a time: a lease with a fencing token, and what is being written under it.
  revision      bigint      not null default 0, -- counts writes that ended; part of the idempotency key
  lease_token   bigint,
  lease_until   timestamptz,
  touched       boolean     not null default false, -- somebody asked for this record while it was leased
  in_flight_op  text        constraint link_in_flight_op_is_known check (in_flight_op in ('create', 'update', 'delete', 'fetch')),
  in_flight     jsonb,                          -- create: the whole record; update: the fields that moved
  in_flight_base jsonb,                         -- update: what those are compared to, in order to send the same again

  deleted_at    timestamptz,                    -- a tombstone: the record is gone on both sides
  deleted_by    text,                           -- hub, or the system

  primary key (system, entity, record_id)
) with (fillfactor = 80);

create unique index link_external_id on sync.link (system, entity, external_id);
create index link_leases on sync.link (lease_until) where lease_until is not null;
create sequence sync.lease_token;

-- External objects that are gone. Nothing that arrives late brings one back.
create table sync.tombstone (
  system      text        not null,
  entity      text        not null,
  external_id text        not null,
  record_id   text,                             -- null when it was never linked
  deleted_at  timestamptz not null default now(),
  primary key (system, entity, external_id)
);

-- The inbound ledger: an event is applied once, however often it is delivered.
create table sync.event (
  system      text        not null,
  event_id    text        not null,
  entity      text        not null,
  type        text        not null,
  created     timestamptz not null,
  external_id text,
  outcome     text        not null,
  received_at timestamptz not null default now(),
  primary key (system, event_id)
);

create index event_received_at on sync.event using brin (received_at);

-- A record whose sync with one system does not succeed at present.
create table sync.failure (
  system          text        not null,
  entity          text        not null,
  record_id       text        not null,         -- inbound and never linked: the external id
  direction       text        not null constraint failure_direction_is_in_or_out check (direction in ('in', 'out')),
  attempts        integer     not null default 1,
  next_attempt_at timestamptz,                  -- null: needs a person, or the record's next change
  code            text        not null,
  reason          text        not null,
  request_id      text,
  first_at        timestamptz not null default now(),
  last_at         timestamptz not null default now(),
  primary key (system, entity, record_id, direction)
);

create index failure_due on sync.failure (next_attempt_at) where next_attempt_at is not null;

-- Both sides changed one field at once. One value won; all three are kept.
create table sync.conflict (
  id        bigint      generated always as identity primary key,
  system    text        not null,
  entity    text        not null,
  record_id text        not null,
  field     text        not null,
  base      jsonb,
  local     jsonb,
  remote    jsonb,
  winner    text        not null constraint conflict_winner_is_hub_or_remote check (winner in ('hub', 'remote')),
  reason    text        not null,
  at        timestamptz not null default now()
);

create index conflict_record on sync.conflict (entity, record_id);
