-- Steps whose parameters have changed since; the repeatable migrations make them anew.
drop function if exists sync.compare_rows(sync.run, text[], integer);
drop function if exists sync.internal_part(text, sync.entity, text, jsonb, boolean);
