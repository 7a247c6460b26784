-- An item is worth what somebody says: without a unit_amount it needs an amount, and is not free by mistake.
alter table invoice_items alter column amount drop default;

-- When it was opened again: whether it was one object alone that was refused is known for a while only.
alter table sync.scope add column opened_at timestamptz;

-- Objects that stay in their system after a delete here was cancelled: whose row comes back under its id is linked again.
create table sync.unlinked (
  system      text not null,
  entity      text not null,
  record_id   text not null,
  external_id text not null,
  primary key (system, entity, record_id)
);
