-- Applies a JSON merge patch (RFC 7396) to a product and answers it; no row when there is none.
-- A second run is safe: it changes nothing more.
update products p
   set (name, description, unit_amount, currency, active) =
         (select merged.name, merged.description, merged.unit_amount, merged.currency, merged.active
            from jsonb_populate_record(p, patch) merged)
  from cast(:#${body} as jsonb) as patch
 where id = :#id
returning json_build_object(
            'id', id, 'name', name, 'description', description, 'unit_amount', unit_amount, 'currency', currency, 'pricing', pricing, 'price_interval', price_interval, 'active', active,
            'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
            'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'))::text as answer
