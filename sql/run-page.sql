-- Compares one page of a run. A second run finds that it has gone on.
select sync.reconcile_page(
         p_run_id   => :#${variable.run[id]},
         p_step     => :#${variable.run[step]},
         p_position => :#${variable.run[position]},
         p_fields   => :#${variable.fields}::text[],
         p_policy   => :#${variable.policy},
         p_match    => :#${variable.match},
         p_limit    => 100)::text
