-- Takes a record for one write, if there is anything to write. A second run finds it taken.
select action, token, external_id, key_prefix, record::text, base::text,
       extract(epoch from in_flight_at)::bigint - 300 as since, -- five minutes, for clocks differ
       case when key_prefix like 'bactrian:' || sync.hub() || ':%' then sync.hub() end as hub, -- a request of before there was one stays as it was
       coalesce((select sync.hub() from sync.link l
                  where l.system = :#${variable.system} and l.entity = :#${variable.entity} and l.record_id = :#${variable.record_id}
                    and l.old_key_to is not null), '') as unnamed -- whose an object is that names no installation
  from sync.claim(
         p_system        => :#${variable.system},
         p_entity        => :#${variable.entity},
         p_record_id     => :#${variable.record_id},
         p_fields        => :#${variable.fields}::text[],
         p_lease         => :#${properties:sync.lease}::interval,
         p_instance      => :#${properties:instance.id},
         p_first_contact => :#${properties:reconcile.first-contact})
