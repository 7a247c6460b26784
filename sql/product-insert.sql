-- Creates a product from a JSON object and answers its id and itself. A second run is not safe: it creates a second product.
insert into products (name, description, unit_amount, currency, active)
select name, description, unit_amount, currency, coalesce(active, true)
  from jsonb_populate_record(null::products, cast(:#${body} as jsonb))
returning id,
          json_build_object(
            'id', id, 'name', name, 'description', description, 'unit_amount', unit_amount, 'currency', currency, 'pricing', pricing, 'price_interval', price_interval, 'active', active,
            'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
            'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'))::text as answer
