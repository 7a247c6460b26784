package io.bactrian.sync;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Stripe as far as a sync can tell, in memory: objects, events of one-second time stamps, idempotency keys with stored answers, and a clock.
 * It trims the field {@code description}, and refuses a name that begins with {@code refuse}.
 *
 * <p>The protocol facts are Stripe's: docs.stripe.com/api/events, docs.stripe.com/api/idempotent_requests.
 */
final class ModelRemote {

    static final List<String> FIELDS = List.of("name", "email", "description", "address");

    /** An object and the record it points to, if the hub made it. */
    record Thing(String id, String hubId, ObjectNode state) {
    }

    /** An answer: null state when the object is gone; at: seconds; replayed: the stored answer of an earlier call. */
    record Answer(String id, ObjectNode state, long at, boolean replayed) {
    }

    /** previous: the whole state before, null for a creation; key: null for an edit by hand. */
    record Event(String id, String type, long at, String key, Thing thing, ObjectNode previous) {
    }

    static final class Refused extends Exception {
        private static final long serialVersionUID = 1;
    }

    private record Stored(String request, Answer answer) {
    }

    final Map<String, Thing> things = new LinkedHashMap<>();
    final List<Event> events = new ArrayList<>();
    private final Map<String, Stored> answers = new HashMap<>();
    private int ids;
    private int eventIds;
    long millis;
    /** Calls of the sync. Answers that were stored do not count. */
    int writes;
    int reads;

    ModelRemote(long millis) {
        this.millis = millis;
    }

    synchronized long seconds() {
        return millis / 1000;
    }

    synchronized Answer create(String key, String hubId, ObjectNode values) throws Refused {
        var request = "create " + hubId + values;
        var stored = replay(key, request);
        if (stored != null) {
            return stored;
        }
        count(key);
        refuse(values);
        var state = JsonNodeFactory.instance.objectNode();
        FIELDS.forEach(field -> state.set(field, spell(field, values.get(field))));
        var thing = new Thing("ext_" + ++ids, hubId, state);
        things.put(thing.id, thing);
        event("created", key, thing, null);
        return store(key, request, new Answer(thing.id, state, seconds(), false));
    }

    synchronized Answer update(String key, String id, ObjectNode values) throws Refused {
        var request = "update " + id + values;
        var stored = replay(key, request);
        if (stored != null) {
            return stored;
        }
        count(key);
        var before = things.get(id);
        if (before == null) {
            return store(key, request, new Answer(id, null, seconds(), false));
        }
        refuse(values);
        var state = before.state.deepCopy();
        values.fields().forEachRemaining(field -> state.set(field.getKey(), spell(field.getKey(), field.getValue())));
        if (!state.equals(before.state)) {
            var after = new Thing(id, before.hubId, state);
            things.put(id, after);
            event("updated", key, after, before.state);
        }
        return store(key, request, new Answer(id, state, seconds(), false));
    }

    synchronized Answer delete(String key, String id) {
        var stored = replay(key, "delete " + id);
        if (stored != null) {
            return stored;
        }
        count(key);
        var thing = things.remove(id);
        if (thing != null) {
            event("deleted", key, thing, null);
        }
        return store(key, "delete " + id, new Answer(id, null, seconds(), false));
    }

    synchronized Answer fetch(String id) {
        reads++;
        var thing = things.get(id);
        return new Answer(id, thing == null ? null : thing.state, seconds(), false);
    }

    /** The object that points to a record; null when there is none. */
    synchronized Answer find(String hubId) {
        reads++;
        return things.values().stream().filter(thing -> hubId.equals(thing.hubId)).findFirst()
                .map(thing -> new Answer(thing.id, thing.state, seconds(), true)).orElse(null);
    }

    /** How the remote spells a value. */
    static JsonNode spell(String field, JsonNode value) {
        if (value == null || value.isNull()) {
            return NullNode.instance;
        }
        if (field.equals("description")) {
            var text = value.asText().strip();
            return text.isEmpty() ? NullNode.instance : JsonNodeFactory.instance.textNode(text);
        }
        return value;
    }

    private void count(String key) {
        if (key != null) {
            writes++;
        }
    }

    /** Lets some time pass. */
    synchronized void tick(int milliseconds) {
        millis += milliseconds;
    }

    /** A copy of what has happened since the given number of events. */
    synchronized List<Event> eventsAfter(int count) {
        return List.copyOf(events.subList(count, events.size()));
    }

    /** The ids of all objects. */
    synchronized List<String> ids() {
        return List.copyOf(things.keySet());
    }

    private static void refuse(ObjectNode values) throws Refused {
        if (values.path("name").asText().startsWith("refuse")) {
            throw new Refused();
        }
    }

    private void event(String type, String key, Thing thing, ObjectNode previous) {
        events.add(new Event("evt_" + ++eventIds, type, seconds(), key, thing, previous));
    }

    private Answer replay(String key, String request) {
        var stored = key == null ? null : answers.get(key);
        if (stored == null) {
            return null;
        }
        if (!stored.request.equals(request)) {
            throw new AssertionError("the key " + key + " was used for " + stored.request + " and is used for " + request);
        }
        return new Answer(stored.answer.id, stored.answer.state, seconds(), true);
    }

    private Answer store(String key, String request, Answer answer) {
        if (key != null) {
            answers.put(key, new Stored(request, answer));
        }
        return answer;
    }
}
