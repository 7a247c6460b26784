-- Ends a write that failed. A second run finds its token used up and changes nothing.
select sync.fail(
         p_system      => :#${variable.system},
         p_entity      => :#${variable.entity},
         p_record_id   => :#${variable.record_id},
         p_token       => :#${variable.claim[token]}::bigint,
         p_refused     => :#${variable.refused}::boolean,
         p_key_spent   => :#${variable.key_spent}::boolean,
         p_code        => :#${variable.code},
         p_reason      => :#${variable.reason},
         p_request_id  => :#${variable.request_id},
         p_retry_after => :#${variable.retry_after}::numeric)
