-- Asks for a reconcile of all that a system syncs. A second run finds it asked for.
select sync.reconcile_all(
         p_system  => :system,
         p_mode    => 'heal',
         p_because => 'events were forgotten before they were read')
