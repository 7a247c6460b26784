-- Ends a write that succeeded. A second run finds its token used up and changes nothing.
select sync.settle(
         p_system      => :system,
         p_entity      => :entity,
         p_record_id   => :record_id,
         p_token       => :token::bigint,
         p_external_id => :external_id,
         p_remote      => :remote::jsonb,
         p_at          => to_timestamp(:at::float8),
         p_stale       => :stale::boolean,
         p_fields      => :fields::text[],
         p_policy      => :policy,
         p_details     => jsonb_build_object('request_id', :request_id::text, 'offset', :cause::text))
