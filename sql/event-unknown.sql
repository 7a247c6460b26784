-- Which events of a page have not been applied yet. Only reads.
select sync.unknown_events(
         p_system => :#${variable.system},
         p_ids    => :#${variable.ids})
