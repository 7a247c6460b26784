-- Takes a record for one write, if there is anything to write. A second run finds it taken.
select action, token, external_id, key_prefix, record::text, base::text,
       extract(epoch from in_flight_at)::bigint - 300 as since, -- five minutes, for clocks differ
       case when key_prefix like 'bactrian:' || sync.hub() || ':%' then sync.hub() end as hub, -- a request of before there was one stays as it was
       coalesce((select sync.hub() from sync.link l
                  where l.system = :system and l.entity = :entity and l.record_id = :record_id
                    and l.old_key_to is not null), '') as unnamed -- whose an object is that names no installation
  from sync.claim(
         p_system        => :system,
         p_entity        => :entity,
         p_record_id     => :record_id,
         p_fields        => :fields::text[],
         p_lease         => :lease::interval,
         p_instance      => :instance,
         p_first_contact => :first_contact)
