-- Deletes a customer and answers its id; no row when there is none. A second run is safe: it finds no row.
delete from customers where id = :#id
returning id
