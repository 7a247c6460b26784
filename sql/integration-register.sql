-- Writes down what a route file says of one table and one system. A second run writes the same.
insert into sync.integration (system, entity, fields, policy, deletes_out, deletes_in, max_deletes, max_delete_percent, defined_in)
values (?, ?, cast(? as text[]), ?, ?, ?, ?, ?, ?)
on conflict (system, entity) do update
   set fields = excluded.fields, policy = excluded.policy, deletes_out = excluded.deletes_out, deletes_in = excluded.deletes_in,
       max_deletes = excluded.max_deletes, max_delete_percent = excluded.max_delete_percent, defined_in = excluded.defined_in
returning sync.mark_column_missing(entity, deletes_in) as missing
