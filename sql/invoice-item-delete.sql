-- Deletes an item of an invoice, sets the invoice's total, and answers a number; no row when the invoice has no such item.
-- The invoice is locked first, as its deletion does. A second run is safe: it finds no row.
with invoice as (
  select id from invoices where id = :#id for no key update
)
delete from invoice_items i
 using invoice
 where i.invoice_id = invoice.id and i.id = :#item
returning refresh_invoice_total(invoice_id)
