-- Fictional customers to try things with. The database's comment says that they were loaded: a second run finds it and does nothing,
-- whatever became of them.
do $$
begin
  if shobj_description((select oid from pg_database where datname = current_database()), 'pg_database') = 'sample customers loaded' then
    return;
  end if;
  set local sync.importing = on; -- they get no welcome e-mail

  insert into customers (name, email, phone, description, address) values
    ('Ada Lovelace',     'ada@example.com',     '+44 20 7946 0101', 'Analytical engines',   '{"line1": "12 St James''s Square", "city": "London", "postal_code": "SW1Y 4JH", "country": "GB"}'),
    ('Björk Ósk',        'bjork@example.com',   '+354 555 0102',    null,                   '{"line1": "Laugavegur 7", "city": "Reykjavík", "postal_code": "101", "country": "IS"}'),
    ('Chidi Okafor',     'chidi@example.com',   null,               'Wholesale, Lagos',     null),
    ('Dromedary & Sons', 'billing@example.com', '+1 202 555 0104',  'One hump only',        '{"line1": "1 Caravan Road", "line2": "Suite 2", "city": "Washington", "state": "DC", "postal_code": "20001", "country": "US"}'),
    ('Élodie Martin',    'elodie@example.com',  '+33 1 99 00 01 05', null,                  '{"line1": "5 rue de la Paix", "city": "Paris", "postal_code": "75002", "country": "FR"}'),
    ('Miles O''Brien',   'miles@example.com',   null,               'Prefers the telephone', null),
    ('雪 田中',           'yuki@example.com',    '+81 3 5555 0107',  null,                   '{"line1": "1-1 Chiyoda", "city": "Tokyo", "postal_code": "100-0001", "country": "JP"}'),
    ('Zoë 🐫',           'zoe@example.com',     null,               'Two humps',            null);

  execute format('comment on database %I is %L', current_database(), 'sample customers loaded');
end $$;
