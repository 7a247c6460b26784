-- The total of an invoice that Stripe has not finalized. Belongs to the catalogue, and can be left out with it.
-- Repeatable: every statement replaces what is there.

-- Sets the subtotal and the total of an invoice to the sum of its items, if they are not. The invoice is locked before its items are added up, so that
-- of two callers the later one knows the items that the earlier one knew.
-- A draft is that sum, whatever somebody wrote into what only Stripe can tell.
create or replace function refresh_invoice_total(p_invoice bigint) returns void language plpgsql as $$
begin
  perform from invoices where id = p_invoice for no key update;
  update invoices i set subtotal = s.total, total = s.total
    from (select coalesce(sum(t.amount), 0) as total from invoice_items t where t.invoice_id = p_invoice) s
   where i.id = p_invoice and (i.amount_due is null or i.status = 'draft') and (i.total, i.subtotal) <> (s.total, s.total);
end $$;

-- The same for several, null for all whose total is wrong. Each in a transaction of its own, because whoever holds one lock at a time cannot be in a deadlock
-- with somebody who edits several invoices.
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
