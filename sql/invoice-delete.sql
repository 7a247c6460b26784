-- Deletes an invoice with its items and answers its id; no row when there is none. A second run is safe: it finds no row.
delete from invoices where id = :#id
returning id
