-- The tables that Bactrian syncs out of the box. Repeatable: sync.track renews what is there, and learns of new columns (the last were of V11).

select sync.track('customers'), sync.track('products'), sync.track('invoices'), sync.track('invoice_items', 'invoices');
