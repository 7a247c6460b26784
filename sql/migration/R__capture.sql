-- Capture: tracked tables write their changes to the outbox, in the user's own transaction.
-- Repeatable: every statement replaces what is there.

-- Wakes the capture route, unless it said that it is awake and will look anyway: NOTIFY takes a global lock at commit.
create or replace function sync.wake() returns void language plpgsql as $$
begin
  if not exists (select from sync.drain where awake_until > clock_timestamp()) then
    perform pg_notify('bactrian', '');
  end if;
end $$;

-- Whether somebody else has captured a change and not committed it yet.
create or replace function sync.capturing() returns boolean language sql as $$
  select exists (select from pg_locks
                  where relation = 'sync.outbox'::regclass and mode = 'RowExclusiveLock' and pid is distinct from pg_backend_pid()
                    and database = (select oid from pg_database where datname = current_database()));
$$;

-- What the application itself writes at this moment, in the name of a system (see sync.act_for): entity/id, or entity/ for a row that the write names.
-- Null for everybody else: anybody may set sync.written, and so hide a change or blame it on a system, but it counts only for those who may act
-- as the role that owns this schema.
create or replace function sync.written() returns text language plpgsql stable as $$
begin
  if pg_has_role(session_user, (select n.nspowner from pg_namespace n where n.nspname = 'sync'), 'member') then
    return current_setting('sync.written', true);
  end if;
  return null;
end $$;

-- What is to be known of a table: its primary key, null when that is not one column; and whether its rows tell when they were changed.
create or replace function sync.shape(p_relation regclass, out key_column name, out key_type regtype, out has_updated_at boolean) language sql stable as $$
  select (select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
           where i.indrelid = p_relation and i.indisprimary and i.indnkeyatts = 1),
         (select a.atttypid from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
           where i.indrelid = p_relation and i.indisprimary and i.indnkeyatts = 1),
         exists (select from pg_attribute where attrelid = p_relation and attname = 'updated_at' and not attisdropped
                    and atttypid in ('timestamptz'::regtype, 'timestamp'::regtype));
$$;

-- Installs the triggers that capture every change of a table with a single-column primary key.
-- Calling it again renews them. Returns the entity's name.
--
-- p_part_of: a tracked table to which this one has a foreign key. Its rows are then parts of that table's records as well:
-- read, compared and written with them, under the names <table>/<id>, and a change of one asks to look at its record.
create or replace function sync.track(p_table text, p_part_of text default null) returns text language plpgsql as $$
declare
  v_relation regclass := to_regclass(p_table);
  v_name     text;
  v_shape    record;
begin
  if v_relation is null then
    raise exception 'sync.track: there is no table %', p_table using hint = 'Name it as in a query: products, or shop.products.';
  end if;
  select c.relname into v_name from pg_class c where c.oid = v_relation and c.relkind in ('r', 'p');
  if v_name is null then
    raise exception 'sync.track: % is not a table', p_table using hint = 'Views have no rows of their own: track the table behind it.';
  end if;
  if v_name !~ '^[A-Za-z0-9._-]+$' then
    raise exception 'sync.track: the name of % cannot be a Kafka topic''s', p_table using hint = 'Use letters, digits, _ and - only.';
  end if;
  if exists (select from sync.entity where name = v_name and relation <> v_relation) then
    raise exception 'sync.track: another table named % is tracked already', v_name
      using hint = format('Entities are named by table, whatever the schema. If this one takes its place: select sync.untrack(%L) first.', v_name);
  end if;

  v_shape := sync.shape(v_relation);
  if v_shape.key_column is null then
    raise exception 'sync.track: % has no primary key of one column', p_table using hint = 'Add one: links and Kafka messages are keyed by it.';
  end if;

  insert into sync.entity (name, relation, key_column, key_type, has_updated_at)
       values (v_name, v_relation, v_shape.key_column, v_shape.key_type, v_shape.has_updated_at)
  on conflict (name) do update set relation = excluded.relation;
  perform sync.renew(v_name, p_part_of);
  perform sync.note_references();
  return v_name;
end $$;

-- Renews what is known of a tracked table, its functions and triggers.
create or replace function sync.renew(p_name text, p_part_of text default null) returns void language plpgsql as $$
declare
  e sync.entity;
begin
  perform pg_advisory_xact_lock(hashtextextended('sync.renew', 0)); -- several instances may start at once
  update sync.entity t set key_column = s.key_column, key_type = s.key_type, has_updated_at = s.has_updated_at
    from sync.entity n, lateral sync.shape(n.relation) s
   where n.name = p_name and t.name = p_name and s.key_column is not null;
  perform sync.track_part(p_name, coalesce(p_part_of, (select t.part_of from sync.entity t where t.name = p_name)));
  select * into strict e from sync.entity t where t.name = p_name;
  perform sync.install_capture(e);
end $$;

-- The same for all tables, at each start: an older version may have made the triggers, and columns and foreign keys come and go. A table that cannot be renewed,
-- say because somebody has locked it, stays as it was, with a warning.
create or replace function sync.renew_all() returns void language plpgsql set lock_timeout = '1s' as $$
declare
  v_name text;
begin
  for v_name in select e.name from sync.entity e join pg_class c on c.oid = e.relation order by e.part_of is not null, e.name loop
    begin
      perform sync.renew(v_name);
    exception when others then
      raise warning '% is captured as it was until now: %', v_name, sqlerrm using hint = format('select sync.track(%L)', v_name);
    end;
  end loop;
  perform sync.note_references();
end $$;

-- Makes the function that captures the changes of a table, and the triggers that call it.
create or replace function sync.install_capture(e sync.entity) returns void language plpgsql as $$
declare
  v_function text := format('sync.%I', 'capture_' || e.name);
  v_settings text;
begin
  -- One function a table, so that its statements are planned once a session. It runs as its owner: a user who may
  -- write the table need not know the schema sync. Rows are compared as text, because some types have no equality.
  -- What a trigger of the user's does in turn is nobody's but the hub's, even if an inbound event set it off.
  -- Rows that are inserted after "set local sync.importing = on" are not new, only new here: their op is r, as that of a
  -- snapshot's in Debezium.
  -- A record's id must not be spelled as the session likes its dates and numbers.
  if e.key_type not in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'uuid'::regtype, 'text'::regtype, 'character varying'::regtype) then
    v_settings := $s$set timezone = 'UTC' set datestyle = 'ISO' set intervalstyle = 'iso_8601' set extra_float_digits = 1 set bytea_output = 'hex'$s$;
  end if;
  execute format($f$
    create or replace function %1$s() returns trigger language plpgsql security definer
        set search_path = pg_catalog, pg_temp %4$s as $body$
    declare
      v_written text := case when current_setting('sync.written', true) <> '' then sync.written() end; -- what an inbound event writes: entity/id
      v_origin  text := case when pg_trigger_depth() = 1 and starts_with(v_written, %2$L || '/') then current_setting('sync.origin') else '' end;
      v_rows    bigint;
    begin
      if tg_op = 'INSERT' then
        insert into sync.outbox (entity, record_id, op, origin, after)
        select %2$L, n.%3$I::text, case when current_setting('sync.importing', true) in ('on', 'true') then 'r' else 'c' end, v_origin,
               row_to_json(n.*)
          from new_rows n;
      elsif tg_op = 'UPDATE' then
        insert into sync.outbox (entity, record_id, op, origin, before, after)
        select %2$L, coalesce(n.%3$I, o.%3$I)::text,
               case when o.%3$I is null then 'c' when n.%3$I is null then 'd' else 'u' end, v_origin,
               case when o.%3$I is not null then row_to_json(o.*) end,
               case when n.%3$I is not null then row_to_json(n.*) end
          from old_rows o full join new_rows n on n.%3$I = o.%3$I
         where o.%3$I is null or n.%3$I is null or (o.*)::text is distinct from (n.*)::text;
      elsif tg_op = 'DELETE' then
        insert into sync.outbox (entity, record_id, op, origin, before) -- cascades within the table are the hub's
        select %2$L, o.%3$I::text, 'd', case v_written when %2$L || '/' || o.%3$I then v_origin else '' end, row_to_json(o.*)
          from old_rows o;
      else -- TRUNCATE
        execute format('insert into sync.outbox (entity, record_id, op, before)
                        select $1, o.%%I::text, ''d'', row_to_json(o.*) from %%s o', %3$L, tg_relid::regclass)
          using %2$L;
      end if;
      get diagnostics v_rows = row_count;
      if v_rows > 0 then
        perform sync.wake();
      end if;
      return null;
    end $body$ $f$, v_function, e.name, e.key_column, v_settings);
  perform sync.install_triggers(e.relation, 'sync_capture_', v_function);
end $$;

-- Makes a table call a function for each statement, also in a session that mutes ordinary triggers (session_replication_role): what it commits is
-- a change too. Triggers that are as they should be are left alone: to make one anew locks the table.
create or replace function sync.install_triggers(p_relation regclass, p_prefix text, p_function text) returns void language plpgsql as $$
declare
  v_own boolean := (select pg_has_role(c.relowner, 'usage') from pg_class c where c.oid = p_relation);
  v     record;
begin
  for v in
    select p_prefix || n.name as name, n.event,
           case when n.old_rows is not null or n.new_rows is not null
                then concat_ws(' ', 'referencing', 'old table as ' || n.old_rows, 'new table as ' || n.new_rows) end as referencing
      from (values ('insert', 'after insert', 4, null, 'new_rows'), ('update', 'after update', 16, 'old_rows', 'new_rows'),
                   ('delete', 'after delete', 8, 'old_rows', null), ('truncate', 'before truncate', 34, null, null)) n (name, event, type, old_rows, new_rows)
     where not exists (select from pg_trigger t
                        where t.tgrelid = p_relation and t.tgname = p_prefix || n.name and t.tgfoid = to_regproc(p_function) and t.tgtype = n.type
                          and (t.tgoldtable::text, t.tgnewtable::text) is not distinct from (n.old_rows, n.new_rows) and (t.tgenabled = 'A' or not v_own))
  loop
    execute format('create or replace trigger %I %s on %s %s for each statement execute function %s()', v.name, v.event, p_relation, v.referencing, p_function);
    if v_own then
      execute format('alter table %s enable always trigger %I', p_relation, v.name);
    end if;
  end loop;
end $$;

-- Removes the triggers. Links and history stay: tracking the table again goes on with the next change of each record.
-- A table that was dropped is untracked by its name alone.
create or replace function sync.untrack(p_table text) returns text language plpgsql as $$
declare
  v_entity sync.entity;
begin
  select * into v_entity from sync.entity e
   where e.relation = to_regclass(p_table)
      or e.name = p_table and not exists (select from sync.entity t where t.relation = to_regclass(p_table)); -- dropped, or renamed
  if not found then
    raise exception 'sync.untrack: % is not tracked', p_table using hint = 'select name from sync.entity shows what is.';
  end if;
  if exists (select from pg_class c where c.oid = v_entity.relation) then
    execute format('drop trigger if exists sync_capture_insert on %s', v_entity.relation);
    execute format('drop trigger if exists sync_capture_update on %s', v_entity.relation);
    execute format('drop trigger if exists sync_capture_delete on %s', v_entity.relation);
    execute format('drop trigger if exists sync_capture_truncate on %s', v_entity.relation);
  end if;
  execute format('drop function if exists sync.%I()', 'capture_' || v_entity.name);
  execute format('drop function if exists sync.%I() cascade', 'parts_' || v_entity.name);
  delete from sync.entity where name = v_entity.name;
  perform sync.note_references();
  return v_entity.name;
end $$;

-- Makes the rows of a tracked table parts of another one's records; nothing when p_whole is null.
create or replace function sync.track_part(p_name text, p_whole text) returns void language plpgsql as $$
declare
  p       sync.entity;
  w       sync.entity;
  v_key   name;
  v_ask   text;
begin
  if p_whole is null then
    return;
  end if;
  select * into strict p from sync.entity e where e.name = p_name;
  select * into w from sync.entity e where e.relation = to_regclass(p_whole) or e.name = p_whole;
  if not found then
    raise exception 'sync.track: % is not tracked', p_whole using hint = format('select sync.track(%L)', p_whole);
  end if;
  select min(a.attname::text) into v_key
    from pg_constraint c
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
    join pg_attribute k on k.attrelid = c.confrelid and k.attnum = c.confkey[1] and k.attname = w.key_column
   where c.contype = 'f' and c.conrelid = p.relation and c.confrelid = w.relation and cardinality(c.conkey) = 1
  having count(*) = 1;
  if v_key is null then
    raise exception 'sync.track: % does not have one foreign key to %', p_name, w.name using hint = 'A part says by one column whose part it is.';
  end if;
  update sync.entity e
     set part_of = w.name, part_key = v_key,
         part_columns = array(select a.attname::text from pg_attribute a
                               where a.attrelid = p.relation and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                                 and a.attname not in (p.key_column, v_key, 'created_at', 'updated_at') order by a.attnum)
   where e.name = p_name;

  v_ask := format($f$insert into sync.outbox (entity, record_id, op, origin, after)
                     select distinct %L, r.id::text, 'r', r.origin, json_build_object(%L, r.id)::text from (%%s) r where r.id is not null;$f$, w.name, w.key_column);
  execute format($f$
    create or replace function sync.%1$I() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $body$
    declare
      v_written text := case when current_setting('sync.written', true) <> '' then sync.written() end;
      v_origin  text := case when pg_trigger_depth() = 1 and starts_with(v_written, %2$L || '/') then current_setting('sync.origin') else '' end;
      v_rows    bigint;
    begin
      if tg_op = 'INSERT' then
        %3$s
      elsif tg_op = 'UPDATE' then
        %4$s
      elsif tg_op = 'DELETE' then
        %5$s
      else -- TRUNCATE
        execute format(%6$L, tg_relid::regclass);
      end if;
      get diagnostics v_rows = row_count;
      if v_rows > 0 then
        perform sync.wake();
      end if;
      return null;
    end $body$ $f$, 'parts_' || p_name, p_name,
    format(v_ask, format('select n.%I as id, v_origin as origin from new_rows n', v_key)),
    format(v_ask, format('select unnest(array[o.%2$I, n.%2$I]) as id, v_origin as origin from old_rows o full join new_rows n on n.%1$I = o.%1$I
                           where (o.*)::text is distinct from (n.*)::text', p.key_column, v_key)),
    format(v_ask, format('select o.%I as id, case v_written when %L || o.%I then v_origin else '''' end as origin from old_rows o',
                         v_key, p_name || '/', p.key_column)),
    format(v_ask, format('select o.%I as id, '''' as origin from %%s o', v_key)));
  perform sync.install_triggers(p.relation, 'sync_parts_', format('sync.%I', 'parts_' || p_name));
end $$;

-- Notes which tracked tables refer to which, and which are parts of which.
create or replace function sync.note_references() returns void language sql as $$
  update sync.entity e set part_of = null, part_key = null, part_columns = null
   where e.part_of is not null and not exists (select from sync.entity w where w.name = e.part_of);
  update sync.entity e set refs = n.refs, parts = n.parts
    from (select t.name,
                 coalesce((select jsonb_object_agg(a.attname, r.name)
                             from pg_constraint c
                             join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
                             join sync.entity r on r.relation = c.confrelid
                             join pg_attribute k on k.attrelid = c.confrelid and k.attnum = c.confkey[1] and k.attname = r.key_column
                            where c.contype = 'f' and c.conrelid = t.relation and cardinality(c.conkey) = 1
                              and a.attname is distinct from t.part_key), '{}') as refs,
                 array(select p.name from sync.entity p where p.part_of = t.name order by p.name) as parts
            from sync.entity t) n
   where n.name = e.name and (e.refs, e.parts) is distinct from (n.refs, n.parts);
$$;

-- Asks one system to look at a record, as if it had changed. Nobody is asked about a table that is not tracked any more.
-- It need not be seen for that.
create or replace function sync.poke(p_entity text, p_record_id text, p_target text) returns void language plpgsql as $$
declare
  v_after jsonb;
begin
  if exists (select from sync.entity e join pg_class c on c.oid = e.relation where e.name = p_entity) then
    begin
      v_after := sync.read(p_entity, p_record_id);
    exception when insufficient_privilege or undefined_column or undefined_table or sqlstate 'BA002' then
      v_after := jsonb_build_object((select e.key_column from sync.entity e where e.name = p_entity), p_record_id);
    end;
    insert into sync.outbox (entity, record_id, op, target, after) values (p_entity, p_record_id, 'r', p_target, v_after);
    perform sync.wake();
  end if;
end $$;

-- The oldest changes, for the one instance that holds the lease; no rows when another one does, or when there are none.
-- The caller publishes them, waits for Kafka's acknowledgement, calls sync.outbox_acknowledge, and claims again until
-- no row comes. A row without an id is no change: it asks to claim once more, after a pause.
--
-- p_round: how many claims there were in this run before this one. Changes that the second or a later one finds are
-- part of a stream: the drain then counts as awake for a quarter of a second, and writers need not notify. Until that
-- has passed, and everybody has committed who captured something in it, claims that find nothing ask for one more;
-- but what somebody commits more than a second later is found by the sweep.
--
-- A batch ends at p_max_rows or p_max_bytes; a change larger than that travels alone and with its key only, because
-- workers read the row itself.
--
-- p_waiting: tables whose topics take nothing at present: their changes stay, and the others go on.
drop function if exists sync.outbox_claim(text, interval, integer, integer, bigint);
create or replace function sync.outbox_claim(
  p_instance text, p_lease interval, p_round integer, p_max_rows integer, p_max_bytes bigint, p_waiting text[] default '{}')
returns table (id bigint, entity text, record_id text, op text, origin text, target text, changed_ms bigint, envelope text)
language plpgsql as $$
declare
  v_now   timestamptz := clock_timestamp();
  v_drain sync.drain;
  v_awake boolean;
  v_again boolean;
begin
  select d.* into v_drain from sync.drain d;
  if v_drain.instance <> p_instance and v_drain.leased_until > v_now then
    return;
  end if;
  -- Asked before looking, so that whoever commits in between is seen.
  v_again := v_drain.awake_until > v_now or v_drain.awake_until > v_now - interval '1 second' and sync.capturing();

  return query
  with noted as ( -- in one statement, so that it sees the same changes
    insert into sync.deletion as d (entity, record_id, at)
    select q.entity, q.record_id, max(q.changed_at)
      from (select b.entity, b.record_id, b.op, b.changed_at from sync.outbox b where b.entity <> all (p_waiting) order by b.id limit p_max_rows) q
     where q.op = 'd' group by q.entity, q.record_id
    on conflict on constraint deletion_pkey do update set at = greatest(d.at, excluded.at))
  select o.id, o.entity, o.record_id, o.op, o.origin, o.target, (extract(epoch from o.changed_at) * 1000)::bigint,
         concat('{"before":', coalesce(o.before, 'null'), ',"after":', coalesce(o.after, 'null'),
                ',"op":"', o.op, '","source":{"connector":"bactrian","schema":', coalesce(to_json(e.schema), 'null'), ',"table":', to_json(o.entity),
                ',"origin":', to_json(o.origin), ',"txId":', o.tx_id, ',"ts_ms":', (extract(epoch from o.changed_at) * 1000)::bigint,
                case when o.truncated then ',"truncated":true' end,
                '},"ts_ms":', (extract(epoch from v_now) * 1000)::bigint, '}')
    from (select b.id, b.entity, b.record_id, b.op, b.origin, b.target, b.tx_id, b.changed_at, b.bytes > p_max_bytes as truncated,
                 case when b.bytes <= p_max_bytes then b.before
                      when b.before is not null then sync.key_only(b.entity, b.before) end as before,
                 case when b.bytes <= p_max_bytes then b.after
                      when b.after is not null then sync.key_only(b.entity, b.after) end as after
            from (select r.*, sum(least(r.bytes, p_max_bytes)) over (order by r.id) as bytes_so_far, row_number() over (order by r.id) as n
                    from (select q.*, coalesce(octet_length(q.before), 0) + coalesce(octet_length(q.after), 0)::bigint as bytes
                            from sync.outbox q where q.entity <> all (p_waiting) order by q.id limit p_max_rows) r) b
           where b.bytes_so_far <= p_max_bytes or b.n = 1) o
    left join (select t.name, n.nspname as schema
                 from sync.entity t join pg_class c on c.oid = t.relation join pg_namespace n on n.oid = c.relnamespace) e
           on e.name = o.entity
   order by o.id;

  v_awake := found and (p_round > 0 or v_drain.awake_until > v_now);
  if not found and v_again then
    return next;
  end if;

  -- Written rarely: when the lease is half spent or changes hands, and a few times a second while awake. What a writer
  -- with an older snapshot sees is never later than what is so.
  if v_drain.instance is distinct from p_instance
     or v_drain.leased_until < v_now + p_lease / 2
     or v_awake and v_drain.awake_until < v_now + interval '100 ms' then
    insert into sync.drain as d (instance, leased_until, awake_until)
         values (p_instance, v_now + p_lease, case when v_awake then v_now + interval '250 ms' else '-infinity' end)
    on conflict (singleton) do update
       set instance = excluded.instance, leased_until = excluded.leased_until,
           awake_until = greatest(d.awake_until, excluded.awake_until)
     where d.instance = p_instance or d.leased_until <= v_now;
    if not found then
      raise exception 'another instance has just begun to drain the outbox' using errcode = 'lock_not_available';
    end if;
  end if;
end $$;

-- Removes changes that Kafka has acknowledged, and adds them to the timeline. Safe to repeat, so the commit need not wait for the disk: after a crash
-- the changes are there again, and are published once more.
create or replace function sync.outbox_acknowledge(p_ids bigint[]) returns void language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  with gone as (delete from sync.outbox where id = any (p_ids) returning *)
  insert into sync.activity (at, entity, record_id, system, kind, what)
  select changed_at, entity, record_id, origin, 'change',
         case op when 'c' then 'inserted' when 'r' then 'imported' when 'u' then 'updated' when 'd' then 'deleted' end
         || case origin when '' then ' in the hub' else ' in the name of ' || origin end
    from gone where target = '' and (op <> 'r' or after <> sync.key_only(entity, after)); -- not what only asks for a look
end $$;

-- A record reduced to its key: what is left of a change that is too large to travel.
create or replace function sync.key_only(p_entity text, p_record text) returns text language sql stable as $$
  select json_build_object(key_column, p_record::json -> key_column)::text from sync.entity where name = p_entity;
$$;
