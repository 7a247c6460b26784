-- The tables that Bactrian syncs out of the box. Repeatable: sync.track renews what is there.

select sync.track('customers');
