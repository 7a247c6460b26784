-- The tracked tables. Only reads.
select name from sync.entity order by name
