-- A page of products as JSON, and the id after which the next page starts, if there is one. It only reads: a second run is safe.
with wanted as (
  select *
    from products
   where id > coalesce(cast(:#after as bigint), -9223372036854775808)
     and (cast(:#active as boolean) is null or active = cast(:#active as boolean))
   order by id
   limit :#limit + 1
),
page as (
  select * from wanted order by id limit :#limit
),
next as (
  select max(id) as id from page where (select count(*) from wanted) > :#limit
)
select (select id from next) as next,
       json_build_object(
         'data', coalesce(json_agg(json_build_object(
           'id', id, 'name', name, 'description', description, 'unit_amount', unit_amount, 'currency', currency, 'pricing', pricing, 'price_interval', price_interval, 'active', active,
           'created_at', to_char(created_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"'),
           'updated_at', to_char(updated_at at time zone 'utc', 'yyyy-mm-dd"T"hh24:mi:ss.us"Z"')) order by id), '[]'),
         'next', (select cast(id as text) from next))::text as page
  from page
