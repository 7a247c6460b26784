-- What the API answers for an invoice. Repeatable: replaces the functions.

-- An invoice with its items as JSON; null when there is none. Volatile, so that it sees what the statement that calls it has changed.
create or replace function invoice_with_items(p_invoice bigint) returns json language sql volatile as $$
  select json_build_object(
           'id', id, 'customer_id', customer_id, 'number', number, 'currency', currency, 'status', status,
           'subtotal', subtotal, 'discount', discount, 'tax', tax, 'shipping', shipping, 'total', total,
           'amount_due', amount_due, 'amount_paid', amount_paid, 'memo', memo, 'due_date', due_date, 'hosted_url', hosted_url,
           'items', (select coalesce(json_agg(json_build_object(
                              'id', t.id, 'product_id', t.product_id, 'description', t.description,
                              'quantity', trim_scale(t.quantity), 'unit_amount', t.unit_amount, 'amount', t.amount) order by t.id), '[]')
                       from invoice_items t
                      where t.invoice_id = i.id),
           'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
           'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'))
    from invoices i
   where id = p_invoice
$$;

-- The same, after its total was set to the sum of its items: for a statement that changes items.
create or replace function refreshed_invoice(p_invoice bigint) returns json language sql volatile as $$
  select refresh_invoice_total(p_invoice);
  select invoice_with_items(p_invoice);
$$;
