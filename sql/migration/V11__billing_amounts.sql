-- What an invoice is worth is what Stripe says, as soon as Stripe has finalized it. Until then it is the sum of its items, and the columns
-- that only Stripe can tell are null. All amounts are integers in the minor unit of the currency, as Stripe has it: docs/money.md.
alter table invoices
  add column subtotal   bigint not null default 0,  -- the sum of the items; a final one's is Stripe's
  add column discount   bigint,                     -- taken off; null until Stripe has finalized the invoice, like the three below
  add column tax        bigint,                     -- in total, be it added to the prices or a part of them
  add column shipping   bigint,
  add column amount_due bigint;

update invoices set subtotal = total;

comment on column invoices.total is 'the sum of the items; what Stripe says once it has finalized the invoice: then amount_due is not null';
comment on column invoices.amount_paid is 'what Stripe says: an edit is put back';

-- One and a half hours; and lines that are not a quantity times a price: tiers, packages, shares of a subscription's period.
drop trigger invoice_items_touch_updated_at on invoice_items; -- it names quantity
alter table invoice_items alter column amount drop expression;
alter table invoice_items
  alter column quantity type numeric,
  alter column unit_amount drop not null,
  alter column amount set default 0,
  add constraint invoice_items_quantity_has_at_most_12_decimals check (scale(trim_scale(quantity)) <= 12);
update invoice_items set amount = quantity * unit_amount where amount is null;
set constraints all immediate; -- or the table has triggers pending, and cannot be altered
alter table invoice_items alter column amount set not null;

comment on column invoice_items.unit_amount is 'what one costs; null when amount is not quantity times a whole price';
comment on column invoice_items.amount is 'quantity times unit_amount, rounded half away from zero, where there is a unit_amount; else as it is given';

create function set_item_amount() returns trigger language plpgsql as $$
begin
  if new.unit_amount is not null then
    new.amount := round(new.quantity * new.unit_amount);
  end if;
  return new;
end $$;

create trigger invoice_items_set_amount before insert or update on invoice_items for each row execute function set_item_amount();

create trigger invoice_items_touch_updated_at
  before update of invoice_id, product_id, description, quantity, unit_amount, amount on invoice_items
  for each row
  when ((old.invoice_id, old.product_id, old.description, old.quantity, old.unit_amount, old.amount)
        is distinct from (new.invoice_id, new.product_id, new.description, new.quantity, new.unit_amount, new.amount) and old.updated_at = new.updated_at)
  execute function touch_updated_at();

-- Sets the subtotal and the total of an invoice that Stripe has not finalized to the sum of its items, if they are not. The invoice is locked
-- before its items are added up, so that of two callers the later one knows the items that the earlier one knew.
create or replace function refresh_invoice_total(p_invoice bigint) returns void language plpgsql as $$
begin
  perform from invoices where id = p_invoice for no key update;
  update invoices i set subtotal = s.total, total = s.total
    from (select coalesce(sum(t.amount), 0) as total from invoice_items t where t.invoice_id = p_invoice) s
   where i.id = p_invoice and i.amount_due is null and (i.total, i.subtotal) <> (s.total, s.total);
end $$;

create or replace procedure refresh_invoice_totals(p_invoices bigint[] default null) language plpgsql as $$
declare
  v_invoice bigint;
begin
  foreach v_invoice in array coalesce(p_invoices, array(
    select i.id from invoices i cross join lateral (select coalesce(sum(t.amount), 0) as sum from invoice_items t where t.invoice_id = i.id) s
     where i.amount_due is null and (i.total, i.subtotal) <> (s.sum, s.sum)))
  loop
    begin
      perform refresh_invoice_total(v_invoice);
    exception when numeric_value_out_of_range then
      raise warning 'the items of invoice % are more than a total can hold', v_invoice;
    end;
    commit;
  end loop;
end $$;

-- An invoice of nothing would be final, and paid, at once: whoever opens one through the API is told so.
create function check_invoice_has_items(p_invoice bigint, p_status text) returns boolean language plpgsql as $$
begin
  if p_status <> 'draft' and not exists (select from invoice_items t where t.invoice_id = p_invoice) then
    raise exception 'invoice % has no items', p_invoice using errcode = 'check_violation', constraint = 'invoices_open_has_items';
  end if;
  return true;
end $$;

-- What both sides have agreed on so far knows no amounts of lines: they were the product.
update sync.link l
   set hub_base = l.hub_base || coalesce((select jsonb_object_agg(f.key, f.value || jsonb_build_object('amount', round((f.value ->> 'quantity')::numeric * (f.value ->> 'unit_amount')::numeric)))
                                   from jsonb_each(l.hub_base) f where f.key like 'invoice_items/%' and jsonb_typeof(f.value) = 'object'), '{}'),
       remote_base = l.remote_base || coalesce((select jsonb_object_agg(f.key, f.value || jsonb_build_object('amount', round((f.value ->> 'quantity')::numeric * (f.value ->> 'unit_amount')::numeric)))
                                   from jsonb_each(l.remote_base) f where f.key like 'invoice_items/%' and jsonb_typeof(f.value) = 'object'), '{}')
 where l.entity = 'invoices' and (l.hub_base is not null or l.remote_base is not null);
