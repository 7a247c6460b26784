package io.bactrian.sync;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** Those who edit the hub and the remote by hand, each seeing only the own side. */
final class People {

    /** Somebody put a value where they saw another; both as the remote spells them. A deletion clears all that was seen. */
    record Edit(boolean inHub, String id, String field, JsonNode seen, JsonNode value) {
    }

    private final Random random;
    private final Circumstances circumstances;
    private final Hub hub;
    private final ModelRemote remote;
    private final List<String> journal;
    private final List<Edit> edits = new ArrayList<>();
    private int values;
    private int hubChanges;

    People(Random random, Circumstances circumstances, Hub hub, ModelRemote remote, List<String> journal) {
        this.random = random;
        this.circumstances = circumstances;
        this.hub = hub;
        this.remote = remote;
        this.journal = journal;
    }

    /** All edits so far, in order. */
    List<Edit> edits() {
        return edits;
    }

    /** How often somebody changed something in the hub. */
    int hubChanges() {
        return hubChanges;
    }

    void editHub() throws SQLException {
        hubChanges++;
        var ids = hub.sql.texts("select id from customers order by id");
        int what = random.nextInt(20);
        if (ids.size() < 2 || what == 0 && ids.size() < 6) {
            var name = value("name");
            var id = hub.sql.text("insert into customers (name, updated_at) values (?, to_timestamp(?::float8 / 1000)) returning id",
                    name.asText(null), remote.millis);
            journal.add("hub inserts " + id);
            edit(true, id, "name", NullNode.instance, name);
        } else if (what == 1 && circumstances.deletes()) {
            var id = pick(ids);
            journal.add("hub deletes " + id);
            var gone = Hub.object(hub.sql.text("select to_jsonb(c) from customers c where id = ?::bigint", id));
            ModelRemote.FIELDS.forEach(field -> edit(true, id, field, gone.get(field), NullNode.instance));
            hub.sql.run("delete from customers where id = ?::bigint", id);
            if (random.nextInt(3) == 0) {
                journal.add("hub inserts " + id + " again");
                var name = value("name");
                hub.sql.run("insert into customers (id, name) values (?::bigint, ?)", id, name.asText(null));
                edit(true, id, "name", NullNode.instance, name);
            }
        } else {
            var id = pick(ids);
            var before = Hub.object(hub.sql.text("select to_jsonb(c) from customers c where id = ?::bigint", id));
            for (int i = random.nextInt(2); i >= 0; i--) {
                var field = pick(ModelRemote.FIELDS);
                var value = value(field);
                edit(true, id, field, before.path(field), value);
                var typed = field.equals("address") ? "?::jsonb" : "?";
                hub.sql.run("update customers set " + field + " = " + typed + ", updated_at = to_timestamp(?::float8 / 1000) where id = ?::bigint",
                        value.isNull() ? null : field.equals("address") ? value.toString() : value.asText(), remote.millis, id);
                before.set(field, value);
            }
        }
    }

    void editRemote() {
        var ids = List.copyOf(remote.things.keySet());
        int what = random.nextInt(20);
        try {
            if (ids.isEmpty() || what == 0 && ids.size() < 6) {
                var values = JsonNodeFactory.instance.objectNode();
                values.set("name", unrefused("name"));
                values.set("email", value("email"));
                journal.add("remote creates " + remote.create(null, null, values).id() + " " + values);
            } else if (what == 1 && circumstances.deletes()) {
                var id = pick(ids);
                journal.add("remote deletes " + id);
                var gone = remote.things.get(id).state();
                ModelRemote.FIELDS.forEach(field -> edit(false, id, field, gone.get(field), NullNode.instance));
                remote.delete(null, id);
            } else {
                var id = pick(ids);
                var values = JsonNodeFactory.instance.objectNode();
                for (int i = random.nextInt(2); i >= 0; i--) {
                    var field = pick(ModelRemote.FIELDS);
                    values.set(field, unrefused(field));
                }
                var before = remote.things.get(id).state();
                values.fields().forEachRemaining(field -> edit(false, id, field.getKey(), before.get(field.getKey()), field.getValue()));
                remote.update(null, id, values);
            }
        } catch (ModelRemote.Refused e) {
            throw new AssertionError("people are not refused", e);
        }
    }

    private void edit(boolean inHub, String id, String field, JsonNode seen, JsonNode value) {
        journal.add((inHub ? "hub " : "remote ") + id + " " + field + ": " + seen + " -> " + value + " at " + remote.millis);
        edits.add(new Edit(inHub, id, field, ModelRemote.spell(field, seen), ModelRemote.spell(field, value)));
    }

    private JsonNode unrefused(String field) {
        var value = value(field);
        return value.asText().startsWith("refuse") ? value("email") : value;
    }

    private JsonNode value(String field) {
        if (random.nextInt(6) == 0) {
            return NullNode.instance;
        }
        var text = circumstances.distinctValues() ? "v" + ++values : pick(List.of("a", "b", "c"));
        return switch (field) {
            case "address" -> JsonNodeFactory.instance.objectNode().put("city", text);
            case "description" -> JsonNodeFactory.instance.textNode(text + " ".repeat(random.nextInt(3)));
            case "name" -> JsonNodeFactory.instance.textNode(circumstances.refusals() && random.nextInt(8) == 0 ? "refuse " + text : text);
            default -> JsonNodeFactory.instance.textNode(text);
        };
    }

    /** Everything that the remote refuses gets a value that it takes. */
    void mendRefusals() throws SQLException {
        for (var id : hub.sql.texts("select id from customers where name like 'refuse%' order by id")) {
            var name = hub.sql.text("select name from customers where id = ?::bigint", id);
            var mended = JsonNodeFactory.instance.textNode("mended " + name);
            edit(true, id, "name", JsonNodeFactory.instance.textNode(name), mended);
            hubChanges++;
            hub.sql.run("update customers set name = ?, updated_at = to_timestamp(?::float8 / 1000) where id = ?::bigint", mended.asText(), remote.millis, id);
        }
    }

    private <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }
}
