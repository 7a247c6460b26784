-- The customer as he is now; without an address when he has none any more, or is gone. Only reads.
select coalesce(nullif(btrim(regexp_replace(c.name, '[[:cntrl:]]+', ' ', 'g')), ''), 'there') as name, nullif(btrim(c.email), '') as email
  from (values (:#${variable.record_id}::text)) wanted (id)
  left join customers c on c.id = wanted.id::bigint
