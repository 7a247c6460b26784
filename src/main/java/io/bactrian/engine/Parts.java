package io.bactrian.engine;

import static io.bactrian.state.States.get;
import static io.bactrian.state.States.isPart;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import io.bactrian.state.States;
import java.time.Instant;

/** Parts of records, the lines of an invoice say, each of which goes out by a call of its own. */
final class Parts {

    private Parts() {
    }

    /** Whether a write of unknown outcome may have made a part: one that has no object yet. */
    static boolean makes(Outgoing hub, Link link) {
        return link.doing("update") && States.names(link.inFlight).stream()
                .anyMatch(field -> isPart(field) && !get(link.inFlight, field).isNull() && hub.externalId(field) == null);
    }

    /** Whether a write of unknown outcome may have deleted a part. */
    static boolean deletes(Link link) {
        return link.doing("update") && States.names(link.inFlight).stream().anyMatch(field -> isPart(field) && get(link.inFlight, field).isNull());
    }

    /** Whether the whole is to be read before anything else is written, because a part may have been made. */
    static boolean seeks(Link link) {
        return link.lookAt != null && States.names(link.hubBase).stream().anyMatch(field -> isUnseen(link, field));
    }

    private static boolean isUnseen(Link link, String field) {
        return isPart(field) && !get(link.hubBase, field).isNull() && get(link.remoteBase, field).isNull();
    }

    /**
     * Gives up a write that may have made a part and that cannot be repeated, because its idempotency key is of no use any more: the whole is read, and shows whether the part is
     * there. What it says counts as older than any edit here, the deletion of the part's row among them: for that what was sent counts as agreed on until then.
     */
    static void lookFor(Link link) {
        link.hubBase = States.join(link.hubBase, States.pickIf(link.inFlight, (field, value) -> isPart(field) && !value.isNull()));
        link.lookAt = link.lookAt == null ? Instant.EPOCH : link.lookAt;
        link.revision++;
        link.endFlight();
    }

    /** A link to merge with what was read, when parts were looked for, and found: they count as edited on both sides. */
    static Link asMade(Link link, ObjectNode remote) {
        var merged = link.copy();
        for (var field : States.names(link.hubBase)) {
            if (isUnseen(link, field) && !get(remote, field).isNull() && !States.same(get(remote, field), get(link.hubBase, field))) {
                merged.remoteBase = States.with(merged.remoteBase, field, get(link.hubBase, field));
                merged.hubBase = States.with(merged.hubBase, field, States.empty()); // as if edited here, too
            }
        }
        return merged;
    }
}
