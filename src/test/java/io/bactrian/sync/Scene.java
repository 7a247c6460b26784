package io.bactrian.sync;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** A hub with customers that are in sync with objects of a remote, and what may happen to them next, for tests of one step. */
final class Scene {

    /** The remote's clock when customers are linked, in seconds. */
    static final long START = 1_700_000_000;

    private static final JsonMapper RELAXED = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_SINGLE_QUOTES, JsonReadFeature.ALLOW_UNQUOTED_FIELD_NAMES)
            .build();

    final Sql sql;
    final Hub hub;
    private final AtomicInteger events = new AtomicInteger();

    /** An empty hub. */
    Scene(Sql sql) throws SQLException {
        this.sql = sql;
        hub = new Hub(sql);
        sql.run("set synchronous_commit = off");
        sql.run("alter table customers alter id restart");
        for (var table : List.of("customers", "sync.link", "sync.tombstone", "sync.event", "sync.failure", "sync.conflict", "sync.outbox")) {
            sql.run("delete from " + table);
        }
    }

    /** Forgets which messages wait. */
    void quiet() throws SQLException {
        sql.run("delete from sync.outbox");
    }

    /** A state with all the fields; those not named are null. Quotes may be single, or missing around names. */
    static ObjectNode state(String json) {
        var given = json(json);
        var state = Hub.JSON.createObjectNode();
        ModelRemote.FIELDS.forEach(field -> state.set(field, given.get(field)));
        return state;
    }

    static ObjectNode json(String json) {
        try {
            return (ObjectNode) RELAXED.readTree(json);
        } catch (JsonProcessingException e) {
            throw new AssertionError(json, e);
        }
    }

    /** A new customer of the hub's, last changed at START. */
    String insert(String json) throws SQLException {
        return sql.text("""
                insert into customers (name, email, description, address, updated_at)
                select name, email, description, address, to_timestamp(?::float8) from jsonb_populate_record(null::customers, ?::jsonb) returning id""",
                START, state(json).toString());
    }

    /** A customer that both sides agree on; its object is ext_ and its id. */
    String linked(String json) throws SQLException {
        var id = insert(json);
        settle(hub.claim(id), "ext_" + id, json, START);
        quiet();
        return id;
    }

    /** Somebody changes fields of a customer in the hub; at: seconds, as the row's updated_at. */
    void edit(String id, long at, String patch) throws SQLException {
        sql.run("""
                update customers c set (name, email, description, address, updated_at) =
                       (select p.name, p.email, p.description, p.address, to_timestamp(?::float8) from jsonb_populate_record(c, ?::jsonb) p)
                 where id = ?::bigint""", at, json(patch).toString(), id);
    }

    void delete(String id) throws SQLException {
        sql.run("delete from customers where id = ?::bigint", id);
    }

    String settle(Hub.Claim claim, String externalId, String remote, long at) throws SQLException {
        return hub.settle(claim, new ModelRemote.Answer(externalId, remote == null ? null : state(remote), at, false));
    }

    /** The synced fields of a customer; null when there is none. */
    ObjectNode customer(String id) throws SQLException {
        var rows = sql.rows("select to_jsonb(c) as record from customers c where id = ?::bigint", id);
        return rows.isEmpty() ? null : Hub.object(rows.get(0).get("record")).retain(ModelRemote.FIELDS);
    }

    ObjectNode link(String id) throws SQLException {
        return Hub.object(sql.text("select to_jsonb(l) from sync.link l where record_id = ?", id));
    }

    /** The conflicts as "field base > local | remote: winner", in the order of fields. */
    List<String> conflicts() throws SQLException {
        return sql.texts("""
                select format('%s %s > %s | %s: %s', field, coalesce(base #>> '{}', '-'), coalesce(local #>> '{}', '-'), coalesce(remote #>> '{}', '-'), winner)
                  from sync.conflict order by field, id""");
    }

    /** How many messages ask the remote's worker to look at a record. Reading them removes them. */
    int pokes(String id) throws SQLException {
        int pokes = (int) sql.number("select count(*) from sync.outbox where record_id = ? and target = 'stripe' and op = 'r'", id);
        quiet();
        return pokes;
    }

    long customers() throws SQLException {
        return sql.number("select count(*) from customers");
    }

    /** An edit in the remote, by hand. */
    String updated(String externalId, long at, String previous, String remote) throws SQLException {
        return event("updated", externalId, at, null, null, previous, remote);
    }

    /** An object made in the remote, by hand. */
    String created(String externalId, long at, String remote) throws SQLException {
        return event("created", externalId, at, null, null, null, remote);
    }

    String deleted(String externalId, long at) throws SQLException {
        return event("deleted", externalId, at, null, null, null, "{}");
    }

    /** An event; previous may be null. */
    String event(String type, String externalId, long at, String key, String hubId, String previous, String remote) throws SQLException {
        return hub.apply(new ModelRemote.Event("evt_" + events.incrementAndGet(), type, at, key,
                new ModelRemote.Thing(externalId, hubId, state(remote)), previous == null ? null : state(previous)));
    }
}
