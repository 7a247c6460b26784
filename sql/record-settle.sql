-- Ends a write that succeeded. A second run finds its token used up and changes nothing.
select sync.settle(
         p_system      => :#${variable.system},
         p_entity      => :#${variable.entity},
         p_record_id   => :#${variable.record_id},
         p_token       => :#${variable.claim[token]}::bigint,
         p_external_id => :#${variable.external_id},
         p_remote      => :#${variable.remote}::jsonb,
         p_at          => to_timestamp(:#${variable.at}::float8),
         p_stale       => :#${variable.stale}::boolean,
         p_fields      => :#${variable.fields}::text[],
         p_policy      => :#${variable.policy},
         p_details     => jsonb_build_object('request_id', :#${variable.request_id}::text, 'offset', :#${variable.cause}::text))
