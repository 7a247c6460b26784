-- Pauses all systems if this database is not the one in which its installation was started before. A second run finds the same.
select sync.check_installation() as because
