-- Unqualified names are the catalogue's. Flyway runs this before each migration, and would put them into sync, where its history is.
set search_path to public;
