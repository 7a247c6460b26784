-- An item is worth what somebody says: without a unit_amount it needs an amount, and is not free by mistake.
alter table invoice_items alter column amount drop default;

-- A draft is the sum of its items, whatever somebody wrote into what only Stripe can tell.
create or replace function refresh_invoice_total(p_invoice bigint) returns void language plpgsql as $$
begin
  perform from invoices where id = p_invoice for no key update;
  update invoices i set subtotal = s.total, total = s.total
    from (select coalesce(sum(t.amount), 0) as total from invoice_items t where t.invoice_id = p_invoice) s
   where i.id = p_invoice and (i.amount_due is null or i.status = 'draft') and (i.total, i.subtotal) <> (s.total, s.total);
end $$;

create or replace procedure refresh_invoice_totals(p_invoices bigint[] default null) language plpgsql as $$
declare
  v_invoice bigint;
begin
  foreach v_invoice in array coalesce(p_invoices, array(
    select i.id from invoices i cross join lateral (select coalesce(sum(t.amount), 0) as sum from invoice_items t where t.invoice_id = i.id) s
     where (i.amount_due is null or i.status = 'draft') and (i.total, i.subtotal) <> (s.sum, s.sum)))
  loop
    begin
      perform refresh_invoice_total(v_invoice);
    exception when numeric_value_out_of_range then
      raise warning 'the items of invoice % are more than a total can hold', v_invoice;
    end;
    commit;
  end loop;
end $$;

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
