-- Our own writes, as the other system tells of them: echoes, and the edits that they replaced unseen.
-- Repeatable: every statement replaces what is there.

-- Notes the write that is in flight, until its event comes and tells what it replaced. l.unechoed holds, by revision:
--
--   open    whether the outcome of that write is unknown, or was when it was given up for another one
--   looked  true when the object has been read since
--   known   by field, what it may replace without anybody having edited it: what the remote had there when it was
--           sent, what it has since, and what other writes of unknown outcome may have put there
create or replace function sync.expect_echo(inout l sync.link, p_fields text[], p_open boolean) language plpgsql as $$
declare
  v_open  jsonb := l.unechoed -> l.revision::text;
  v_known jsonb := (
    select coalesce(jsonb_object_agg(f, coalesce(v_open -> 'known' -> f, '[]')
                                        || jsonb_build_array(coalesce(l.remote_base -> f, 'null'))
                                        || case when l.in_flight_op = 'update' and l.in_flight ? f
                                                then jsonb_build_array(l.in_flight -> f) else '[]' end), '{}')
      from unnest(p_fields) f where l.in_flight_op is distinct from 'create');
begin
  -- An event may never come: the write changed nothing there, or the remote sends no keys. So what is remembered has an end: in all about as much as an event
  -- is long. What is left out may hide an edit that a write replaced, and nothing else.
  v_known := (select coalesce(jsonb_object_agg(k.key, k.value), '{}')
                from (select f.*, sum(length(f.value::text)) over (order by length(f.value::text), f.key) as size from jsonb_each(v_known) f) k
               where k.size <= 16000);
  l.unechoed := coalesce(l.unechoed, '{}') || jsonb_build_object(l.revision, jsonb_build_object('open', p_open, 'known', v_known));
  l.unechoed := (select jsonb_object_agg(u.key, u.value)
                   from (select w.*, row_number() over newest as n, sum(length(w.value::text)) over newest as size
                           from jsonb_each(l.unechoed) w window newest as (order by w.key::bigint desc)) u
                  where u.n = 1 or u.n <= 20 and u.size <= 16000);
end $$;

-- Takes note that the event of a write of ours has come. If the write replaced what nobody knew of, somebody edited the
-- field in the remote while we wrote: a conflict like any other. Where the remote's edit wins, the hub takes it, and
-- sends it back.
create or replace function sync.take_echo(
  inout l sync.link, p_revision text, p_remote jsonb, p_previous jsonb, p_policy text) language plpgsql as $$
declare
  v_known    jsonb := l.unechoed -> p_revision -> 'known';
  v_record   jsonb;
  v_field    text;
  v_replaced jsonb;
  v_late     jsonb;
  v_standing boolean;
  v_policy   text;
  v_winner   text;
  v_take     jsonb := '{}';
begin
  -- What this one put there, as the remote spells it, the next ones knew of.
  l.unechoed := (
    select jsonb_object_agg(w.key, jsonb_set(w.value, '{known}', (
             select coalesce(jsonb_object_agg(k.key, case when w.key::bigint > p_revision::bigint and v_known ? k.key
                                                          then k.value || jsonb_build_array(p_remote -> k.key) else k.value end), '{}')
               from jsonb_each(w.value -> 'known') k)))
      from jsonb_each(l.unechoed) w where w.key <> p_revision);
  for v_field in select jsonb_object_keys(v_known) where p_previous is not null loop
    v_replaced := coalesce(p_previous -> v_field, 'null');
    continue when v_replaced = coalesce(p_remote -> v_field, 'null')
               or sync.left_to_remote(p_policy, array[v_field]) <> '{}' -- steps of its own may lie between
               or v_replaced in (select jsonb_array_elements(v_known -> v_field));
    v_record := coalesce(v_record, sync.read(l.entity, l.record_id, true));
    v_standing := sync.stands(l, v_record, v_field, p_remote);
    v_late := l.late_edits -> v_field;
    v_policy := sync.policy(p_policy, v_field);
    v_winner := case when not v_standing or v_policy = 'newest' and v_late -> 'value' is distinct from v_replaced then 'hub'
                     else sync.winner(v_policy, l.entity, v_record, to_timestamp((v_late ->> 'at')::float8)) end;
    insert into sync.conflict (system, entity, record_id, field, base, local, remote, winner, reason)
         values (l.system, l.entity, l.record_id, v_field, v_known -> v_field -> 0, p_remote -> v_field, v_replaced, v_winner,
                 'edited there while we wrote, policy ' || v_policy);
    if v_winner = 'remote' then
      v_take := v_take || jsonb_build_object(v_field, v_replaced);
    end if;
  end loop;
  if l.unechoed is null then
    l.late_edits := null;
  end if;
  if v_take <> '{}' then
    perform sync.write('', l.entity, v_take, l.record_id);
  end if;
end $$;

-- Whether what we wrote to a field still stands on both sides.
create or replace function sync.stands(l sync.link, p_record jsonb, p_field text, p_written jsonb) returns boolean language plpgsql immutable as $$
begin
  return p_record is not null
     and coalesce(p_record -> p_field, 'null') = coalesce(l.hub_base -> p_field, 'null')
     and coalesce(l.remote_base -> p_field, 'null') = coalesce(p_written -> p_field, 'null');
end $$;

-- An edit in the remote that is told of too late to be merged. It may be one that a write of ours has replaced: its time
-- then decides who should have won. Whether it is one, only the event of our write knows, which comes later, or was here.
create or replace function sync.note_late_edit(
  inout l sync.link, p_remote jsonb, p_edited text[], p_at timestamptz, p_policy text) language plpgsql as $$
declare
  v_record   jsonb;
  v_conflict sync.conflict;
  v_late     jsonb;
begin
  if l.unechoed is not null then
    select jsonb_object_agg(f, jsonb_build_object('value', coalesce(p_remote -> f, 'null'), 'at', extract(epoch from p_at)))
      into v_late from unnest(p_edited) f
     where coalesce((l.late_edits -> f ->> 'at')::float8, 0) <= extract(epoch from p_at);
    l.late_edits := coalesce(l.late_edits, '{}') || coalesce(v_late, '{}');
  end if;
  if sync.policy(p_policy, '') = 'newest' then
    for v_conflict in
      select * from sync.conflict c
       where c.entity = l.entity and c.record_id = l.record_id and c.system = l.system and c.field = any (p_edited)
         and c.winner = 'hub' and c.remote = coalesce(p_remote -> c.field, 'null') and c.reason = 'edited there while we wrote, policy newest'
    loop
      v_record := coalesce(v_record, sync.read(l.entity, l.record_id, true));
      if sync.stands(l, v_record, v_conflict.field, jsonb_build_object(v_conflict.field, v_conflict.local))
         and sync.winner('newest', l.entity, v_record, p_at) = 'remote' then
        update sync.conflict set winner = 'remote' where id = v_conflict.id;
        perform sync.write('', l.entity, jsonb_build_object(v_conflict.field, v_conflict.remote), l.record_id);
      end if;
    end loop;
  end if;
end $$;
