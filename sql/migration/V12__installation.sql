-- Several databases may share one account of another system. Each has an id, which its objects carry beside the id of their record, and
-- so do its idempotency keys.
create table sync.installation (
  one        boolean     primary key default true constraint installation_is_one check (one),
  id         text        not null constraint installation_id_is_short check (id ~ '^[A-Za-z0-9_-]{1,40}$'),
  created_at timestamptz not null default now(),
  home       text,                                  -- where it was started: see sync.home. A copy of the database is somewhere else
  other_home text                                   -- where it was started since, until a person says what that means
);

insert into sync.installation (id)
values (left(translate(encode(decode(md5(gen_random_uuid()::text), 'hex'), 'base64'), '+/=', ''), 12));

-- The account that a system's links were made with, and another one whose key is used, until a person says what that means.
alter table sync.system
  add column account text,
  add column other_account text;

-- Writes up to old_key_to were made before there was an installation: their idempotency keys do not name it.
-- old_pointer: the object is known to point here without naming the installation; a worker is to add it.
alter table sync.link
  add column old_key_to bigint,
  add column old_pointer boolean not null default false;

update sync.link set old_key_to = case when in_flight_op in ('create', 'update', 'delete') then revision else revision - 1 end
 where in_flight_op is not null or unechoed is not null;

-- Objects of the account that are not this installation's, as far as they are known: no record is made of them.
create table sync.foreign_object (
  system      text        not null,
  entity      text        not null,
  external_id text        not null,
  hub         text,                                 -- the installation that it names, if any
  hub_id      text,                                 -- the record there
  seen_at     timestamptz not null default now(),
  primary key (external_id, entity, system)
);

-- Whose record a listed object points to (see sync.pointer), and which; hub_id is set only when that is ours.
alter table sync.run_object
  add column pointer text,
  add column hub text,
  add column pointed_to text;

alter table sync.difference
  drop constraint difference_kind_is_known,
  add constraint difference_kind_is_known
      check (kind in ('only_hub', 'only_remote', 'unlinked', 'differs', 'deleted_hub', 'deleted_remote', 'old_pointer'));
