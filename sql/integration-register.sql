-- Writes down what a route file says of one table and one system. A second run writes the same.
insert into sync.integration (system, entity, fields, policy, deletes_out, deletes_in, defined_in)
values (?, ?, cast(? as text[]), ?, ?, ?, ?)
on conflict (system, entity) do update
   set fields = excluded.fields, policy = excluded.policy, deletes_out = excluded.deletes_out, deletes_in = excluded.deletes_in,
       defined_in = excluded.defined_in
