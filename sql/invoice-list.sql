-- A page of invoices with their items as JSON, and the id after which the next page starts, if there is one.
-- It only reads: a second run is safe.
with wanted as (
  select id
    from invoices
   where id > coalesce(cast(:#after as bigint), -9223372036854775808)
     and (cast(:#customer_id as bigint) is null or customer_id = cast(:#customer_id as bigint))
     and (cast(:#status as text) is null or status = cast(:#status as text))
   order by id
   limit :#limit + 1
),
page as (
  select id from wanted order by id limit :#limit
),
next as (
  select max(id) as id from page where (select count(*) from wanted) > :#limit
)
select (select id from next) as next,
       json_build_object(
         'data', coalesce(json_agg(invoice_with_items(id) order by id), '[]'),
         'next', (select cast(id as text) from next))::text as page
  from page
