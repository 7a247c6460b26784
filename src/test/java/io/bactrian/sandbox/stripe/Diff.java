package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Comparator;

/** {@code previous_attributes} of an event: the old values of what changed. */
final class Diff {

    /** A number just set and the same number read back may be of different Java types. */
    private static final Comparator<JsonNode> BY_VALUE = (a, b) ->
            a.isNumber() && b.isNumber() ? a.decimalValue().compareTo(b.decimalValue()) : a.equals(b) ? 0 : 1;

    private Diff() {
    }

    /**
     * The fields of {@code before} that {@code after} changed, empty when none did. Of a hash on both sides only the changed keys; a key that
     * is new reads null.
     */
    static ObjectNode previous(ObjectNode before, ObjectNode after) {
        var previous = JsonNodeFactory.instance.objectNode();
        before.fields().forEachRemaining(entry -> {
            var name = entry.getKey();
            var old = entry.getValue();
            var now = after.get(name);
            if (now instanceof ObjectNode nowHash && old instanceof ObjectNode oldHash) {
                var inner = previous(oldHash, nowHash);
                if (!inner.isEmpty()) {
                    previous.set(name, inner);
                }
            } else if (now == null || !old.equals(BY_VALUE, now)) {
                previous.set(name, old);
            }
        });
        after.fieldNames().forEachRemaining(name -> {
            if (!before.has(name)) {
                previous.putNull(name);
            }
        });
        return previous;
    }
}
