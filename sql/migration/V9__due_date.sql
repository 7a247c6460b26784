-- Days that Stripe can have: neither infinity nor one before Unix time began. No invoice with another one could be sent.
update invoices set due_date = null where not due_date between '1970-01-01' and '9999-12-31';
set constraints all immediate; -- or the table has triggers pending, and cannot be altered
alter table invoices add constraint invoices_due_date_is_between_1970_and_9999 check (due_date between '1970-01-01' and '9999-12-31');

-- Steps whose parameters have changed since; the repeatable migrations make them anew.
drop function if exists sync.external(text, text, jsonb, text[]);
drop function if exists sync.external_ref(text, text, text);
