-- A product as JSON; no row when there is none. It only reads: a second run is safe.
select json_build_object(
         'id', id, 'name', name, 'description', description, 'unit_amount', unit_amount, 'currency', currency, 'pricing', pricing, 'price_interval', price_interval, 'active', active,
         'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
         'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'))::text as answer
  from products
 where id = :#id
