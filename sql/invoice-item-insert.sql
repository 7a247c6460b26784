-- Adds an item, a JSON object, to an invoice; answers the item's id and the invoice with its new total, and no row when there is none.
-- The invoice is locked first, as its deletion does. A second run is not safe: it adds a second item.
with invoice as (
  select id from invoices where id = :#id for no key update
)
insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount)
select invoice.id, item.product_id, item.description, coalesce(item.quantity, 1), item.unit_amount
  from invoice, jsonb_populate_record(null::invoice_items, cast(:#${body} as jsonb)) as item
returning id, refreshed_invoice(invoice_id)::text as answer
