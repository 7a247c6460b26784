-- An invoice with its items as JSON; no row when there is none. It only reads: a second run is safe.
select invoice_with_items(id)::text as answer
  from invoices
 where id = :#id
