-- Keeps a page of listed objects. A second run finds that the run has gone on.
select sync.keep_objects(
         p_run_id   => :run_id,
         p_position => :position,
         p_objects  => :objects,
         p_next     => :next,
         p_more     => :more,
         p_at       => :at,
         p_since    => :since::float8,
         p_match    => :match)::text
