-- Writes down what a route file says of one table and one system; what is in the way is told, and then it is to be rolled back. A second run
-- writes the same.
with told (system, entity, fields, policy, deletes_out, deletes_in, max_deletes, max_delete_percent, defined_in) as (
  values (cast(? as text), cast(? as text), cast(? as text[]), cast(? as text), cast(? as text), cast(? as text), cast(? as bigint), cast(? as numeric), cast(? as text))
), written as (
  insert into sync.integration (system, entity, fields, policy, deletes_out, deletes_in, max_deletes, max_delete_percent, defined_in)
  select * from told
  on conflict (system, entity) do update
     set fields = excluded.fields, policy = excluded.policy, deletes_out = excluded.deletes_out, deletes_in = excluded.deletes_in,
         max_deletes = excluded.max_deletes, max_delete_percent = excluded.max_delete_percent, defined_in = excluded.defined_in
)
select sync.mark_column_missing(entity, deletes_in) as missing, sync.unknown_field(system, entity, fields) as unknown_field, sync.tracked(entity) as tracked
  from told
