package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;

/**
 * An object, event or tombstone as it is kept.
 *
 * @param sequence the order of creation, in which lists are sorted
 * @param created epoch seconds
 * @param json its JSON, not to be changed
 * @param deleted whether it is a tombstone, which no list shows
 * @param keys the values of the fields that lists select by, and of an invoice its number
 */
record Stored(long sequence, Resource resource, String id, long created, byte[] json, boolean deleted, Map<String, String> keys) {

    private static final String SUBJECT = "data.object.id";

    static Stored of(long sequence, Resource resource, ObjectNode object) {
        var keys = new HashMap<String, String>();
        for (var filter : resource.filters()) {
            keys.put(filter.field(), Json.text(object, filter.field()));
        }
        if (resource == Resources.EVENTS) {
            keys.put(SUBJECT, Json.text(object.path("data").path("object"), "id"));
        }
        if (resource == Resources.INVOICES) {
            keys.put("number", Json.text(object, "number"));
        }
        return new Stored(sequence, resource, Json.text(object, "id"), object.path("created").asLong(object.path("date").asLong()), Json.bytes(object),
                object.path("deleted").asBoolean(), keys);
    }

    /** Of an event, the id of the object that it is about, or null where that has none. */
    String subject() {
        return keys.get(SUBJECT);
    }

    /** What is left of it after its deletion, where the resource leaves something. */
    Stored tombstone() {
        return of(sequence, resource, Json.MAPPER.createObjectNode().put("id", id).put("object", resource.object()).put("deleted", true));
    }
}
