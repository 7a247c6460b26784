-- Writes that an older version began, and whose outcome nobody knows; and events that it could not map.

-- total is Stripe's since V11, and no part of a request, as it was none before. A system that has agreed on totals is another one.
update sync.link l
   set in_flight = l.in_flight - 'total', in_flight_base = l.in_flight_base - 'total'
 where l.entity = 'invoices' and l.in_flight_op = 'create'
   and not exists (select from sync.link o where o.system = l.system and o.entity = 'invoices' and o.hub_base -> 'total' is not null);

-- The same request may be spelled in another way by now, and then has another idempotency key: what it made is looked for before it is made again,
-- a record and a part.
update sync.link set find_first = true where in_flight_op = 'create';
update sync.link l set in_flight_at = 'epoch'
 where l.in_flight_op = 'update' and exists (
         select from jsonb_each(l.in_flight) f left join sync.link p
             on p.system = l.system and p.entity = split_part(f.key, '/', 1) and p.record_id = substr(f.key, strpos(f.key, '/') + 1)
          where f.key like '%/%' and f.value <> 'null' and p.external_id is null);

-- Once the mapping is mended, the object is read: the first sync.retry would only fail once more.
update sync.event e
   set held = jsonb_build_object('event', ((e.held ->> 'event')::jsonb - array['partial', 'look', 'read'] || '{"hint": true}')::text,
                                 'fields', e.held -> 'fields', 'policy', e.held -> 'policy')
 where e.held ->> 'error' is not null;
