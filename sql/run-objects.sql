-- Keeps a page of listed objects. A second run finds that the run has gone on.
select sync.keep_objects(
         p_run_id   => :#${variable.run[id]},
         p_position => :#${variable.run[position]},
         p_objects  => :#${variable.objects},
         p_next     => :#${variable.next},
         p_more     => :#${variable.more}::boolean,
         p_at       => :#${variable.at}::float8,
         p_since    => :#${variable.run[since]}::float8,
         p_match    => :#${variable.match})::text
