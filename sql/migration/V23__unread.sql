-- Steps whose parameters have changed since; the repeatable migrations make them anew.
drop function if exists sync.put_off_hint(text, text, boolean, text, text);
