-- What kind of price a product has in Stripe: unit_amount alone cannot say it.
alter table products
  add column pricing        text,  -- per unit, package, fraction (of the minor unit), tiered or custom; null without a price. Stripe's: an edit is put back
  add column price_interval text;  -- how often it is due: month, 3 months, year; null for once. Stripe's: an edit is put back

comment on column products.unit_amount is 'what one costs, in the minor unit of the currency as Stripe has it; null when there is no price, or pricing says that it is another kind';
