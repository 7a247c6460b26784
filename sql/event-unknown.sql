-- Which events of a page have not been applied yet. Only reads.
select i.id
  from jsonb_array_elements_text(:ids::jsonb) i (id)
 where not exists (select from sync.event e where e.system = :system and e.event_id = i.id)
