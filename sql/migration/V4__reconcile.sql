-- Comparing both sides as a whole: runs, what they have seen, and in what the sides differ.

create table sync.run (
  id           bigint      generated always as identity primary key,
  system       text        not null,
  entity       text        not null,
  mode         text        not null constraint run_mode_is_known check (mode in ('diff', 'link', 'heal')),
  because      text        not null,                 -- who or what asked for it
  state        text        not null default 'waiting'
               constraint run_state_is_known check (state in ('waiting', 'running', 'needs confirmation', 'done', 'cancelled')),
  reason       text,                                 -- why it waits, in words
  asked_at     timestamptz not null default clock_timestamp(),
  started_at   timestamptz,
  finished_at  timestamptz,
  confirmed_at timestamptz,                          -- a person allowed its deletes

  -- Where it is: a step, the last id of the step's last page, and how much of the step is done.
  step         text        not null default 'remote'
               constraint run_step_is_known check (step in ('remote', 'objects', 'links', 'rows', 'changes', 'deletes')),
  position     text,
  step_at      timestamptz,
  step_done    bigint      not null default 0,
  step_of      bigint,                               -- an estimate; null when there is none
  began_at     timestamptz,                          -- the remote's clock before the first page was read
  tries        integer     not null default 0,       -- that failed in a row
  next_try_at  timestamptz not null default '-infinity',
  counts       jsonb                                 -- of what was found, and how much of it was mended; when it ended
);

create index run_to_do on sync.run (system, entity, id) where state in ('waiting', 'running', 'needs confirmation');

-- The objects that a run has listed; emptied when it ends.
create table sync.run_object (
  run_id      bigint      not null references sync.run on delete cascade,
  external_id text        not null,
  record_id   text,                                  -- the record that it is linked to, or will be
  hub_id      text,                                  -- the record that it points to, if there can be such an id
  match       text,
  state       jsonb,                                 -- in canonical form
  error       text,                                  -- why it cannot be brought into it
  at          timestamptz not null,                  -- the remote's clock, no later than that state
  primary key (run_id, external_id)
);

create index run_object_record on sync.run_object (run_id, record_id) where record_id is not null;
create index run_object_hub_id on sync.run_object (run_id, hub_id) where hub_id is not null;
create index run_object_match on sync.run_object (run_id, match) where match is not null;

-- What a run found: one row for each record or object, and each field in which a pair differs.
create table sync.difference (
  id          bigint      generated always as identity primary key,
  run_id      bigint      not null references sync.run on delete cascade,
  kind        text        not null constraint difference_kind_is_known
              check (kind in ('only_hub', 'only_remote', 'unlinked', 'differs', 'deleted_hub', 'deleted_remote')),
  record_id   text,
  external_id text,
  field       text,
  hub         jsonb,
  remote      jsonb,
  look        boolean     not null default false,    -- the object must be read, it is not what we last knew
  todo        boolean     not null default false,    -- a worker is to mend it
  mended_at   timestamptz
);

create index difference_run on sync.difference (run_id, kind, record_id);
create index difference_todo on sync.difference (run_id, id) where todo and mended_at is null;
