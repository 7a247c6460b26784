-- Tracked tables get the triggers of this version, and what was added to them since is read. Flyway runs this at each start, also when there is nothing to migrate.
select sync.renew_all();
