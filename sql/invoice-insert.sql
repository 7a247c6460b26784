-- Creates an invoice with its items from a JSON object, and answers its id and itself. The total is right at once; counting the new items
-- in the condition sees to it that they are there before the answer is read. A second run is not safe: it creates a second invoice.
with given as (
  select jsonb_populate_record(null::invoices, body) as invoice, coalesce(body -> 'items', '[]') as items
    from cast(:#${body} as jsonb) as body
),
created as (
  insert into invoices (customer_id, currency, status, memo, due_date, subtotal, total)
  select (invoice).customer_id, (invoice).currency, coalesce((invoice).status, 'draft'), (invoice).memo, (invoice).due_date, sum, sum
    from given,
         lateral (select coalesce(sum(round(coalesce(quantity, 1) * unit_amount)), 0) as sum from jsonb_populate_recordset(null::invoice_items, items)) s
  returning id, status
),
created_items as (
  insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount)
  select created.id, item.product_id, item.description, coalesce(item.quantity, 1), item.unit_amount
    from created,
         given,
         jsonb_array_elements(given.items) with ordinality as line (fields, place),
         jsonb_populate_record(null::invoice_items, line.fields) as item
   order by line.place
  returning id
)
select id, invoice_with_items(id)::text as answer
  from created
 where (select count(*) from created_items) >= 0 and check_invoice_has_items(id, status)
