-- Applies a JSON merge patch (RFC 7396) to an invoice and answers it with its items; no row when there is none.
-- A second run is safe: it changes nothing more.
update invoices i
   set (customer_id, currency, status, memo, due_date) =
         (select merged.customer_id, merged.currency, merged.status, merged.memo, merged.due_date
            from jsonb_populate_record(i, patch) merged)
  from cast(:#${body} as jsonb) as patch
 where id = :#id
   and (patch ->> 'status' is null or check_invoice_has_items(i.id, patch ->> 'status'))
returning invoice_with_items(id)::text as answer
