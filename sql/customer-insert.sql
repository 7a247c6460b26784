-- Creates a customer from a JSON object and answers its id and itself. A second run is not safe: it creates a second customer.
insert into customers (name, email, phone, description, address)
select name, email, phone, description, jsonb_strip_nulls(address)
  from jsonb_populate_record(null::customers, cast(:#${body} as jsonb))
returning id,
          json_build_object(
            'id', id, 'name', name, 'email', email, 'phone', phone, 'description', description, 'address', address,
            'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
            'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'))::text as answer
