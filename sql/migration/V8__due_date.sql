-- Days that Stripe can have: neither infinity nor one before Unix time began. Rows that are there already are left as they are.
alter table invoices add constraint invoices_due_date_is_between_1970_and_9999
  check (due_date between '1970-01-01' and '9999-12-31') not valid;

-- Steps whose parameters have changed since; the repeatable migrations make them anew.
drop function if exists sync.external(text, text, jsonb, text[]);
drop function if exists sync.external_ref(text, text, text);
