-- Deletes a product and answers its id; no row when there is none. Items of invoices that name it stay, without it.
-- A second run is safe: it finds no row.
delete from products where id = :#id
returning id
