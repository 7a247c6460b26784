-- Applies a JSON merge patch (RFC 7396) to an item of an invoice; answers the invoice with its new total, and no row when it has no such
-- item. The invoice is locked first, as its deletion does. A second run is safe: it changes nothing more.
with invoice as (
  select id from invoices where id = :#id for no key update
)
update invoice_items i
   set (product_id, description, quantity, unit_amount) =
         (select merged.product_id, merged.description, merged.quantity, merged.unit_amount
            from jsonb_populate_record(i, patch) merged)
  from invoice, cast(:#${body} as jsonb) as patch
 where i.invoice_id = invoice.id and i.id = :#item
returning refreshed_invoice(invoice_id)::text as answer
