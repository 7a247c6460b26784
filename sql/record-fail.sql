-- Ends a write that failed. A second run finds its token used up and changes nothing.
select sync.fail(
         p_system      => :#${variable.system},
         p_entity      => :#${variable.entity},
         p_record_id   => :#${variable.record_id},
         p_token       => :#${variable.claim[token]}::bigint,
         p_class       => :#${variable.class},
         p_key_spent   => :#${variable.key_spent}::boolean,
         p_unanswered  => :#${variable.unanswered}::boolean,
         p_down        => :#${variable.down}::boolean,
         p_slow_down   => :#${variable.slow_down},
         p_code        => :#${variable.code},
         p_reason      => :#${variable.reason},
         p_request_id  => :#${variable.request_id},
         p_retry_after => :#${variable.retry_after}::numeric,
         p_details     => jsonb_build_object('offset', :#${variable.cause}::text),
         p_permission  => :#${variable.permission})
