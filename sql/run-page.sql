-- Compares one page of a run. A second run finds that it has gone on.
select sync.reconcile_page(
         p_run_id   => :run_id,
         p_step     => :step,
         p_position => :position,
         p_fields   => :fields::text[],
         p_policy   => :policy,
         p_match    => :match,
         p_limit    => 100)::text
