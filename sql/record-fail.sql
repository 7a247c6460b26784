-- Ends a write that failed. A second run finds its token used up and changes nothing.
select sync.fail(
         p_system      => :system,
         p_entity      => :entity,
         p_record_id   => :record_id,
         p_token       => :token::bigint,
         p_class       => :class,
         p_key_spent   => :key_spent::boolean,
         p_unanswered  => :unanswered::boolean,
         p_down        => :down::boolean,
         p_slow_down   => :slow_down,
         p_code        => :code,
         p_reason      => :reason,
         p_request_id  => :request_id,
         p_retry_after => :retry_after::numeric,
         p_details     => jsonb_build_object('offset', :cause::text),
         p_permission  => :permission)
