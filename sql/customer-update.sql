-- Applies a JSON merge patch (RFC 7396) to a customer and answers it; no row when there is none.
-- A second run is safe: it changes nothing more.
update customers c
   set (name, email, phone, description) =
         (select merged.name, merged.email, merged.phone, merged.description from jsonb_populate_record(c, patch) merged),
       address =
         case jsonb_typeof(patch -> 'address')
           when 'object' then jsonb_strip_nulls(coalesce(c.address, '{}') || (patch -> 'address'))
           when 'null' then null
           else c.address
         end
  from cast(:#${body} as jsonb) as patch
 where id = :#id
returning json_build_object(
            'id', id, 'name', name, 'email', email, 'phone', phone, 'description', description, 'address', address,
            'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
            'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'))::text as answer
