package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** {@code previous_attributes} of an event: the old values of what changed. */
final class Diff {

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
            } else if (!old.equals(now)) {
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
