-- Sets the totals of these invoices right; of all when it is null. A second run finds them right.
call refresh_invoice_totals(:#${body}::bigint[])
