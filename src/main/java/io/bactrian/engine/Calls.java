package io.bactrian.engine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;

/** Calls of ours, as the timeline tells of them. */
final class Calls {

    private Calls() {
    }

    /** A call that was claimed, in words: what was sent, not what it says. */
    static String describe(Link link) {
        return switch (link.inFlightOp == null ? "" : link.inFlightOp) {
            case "create" -> "create in " + link.system;
            case "update" -> "update in " + link.system + " of " + String.join(", ", States.names(link.inFlight).stream().sorted().toList());
            case "delete" -> "delete in " + link.system;
            case "fetch" -> (States.names(link.inFlight, "point") ? "pointer added, and read from " : "read from ") + link.system;
            default -> "write to " + link.system + ", whose event came before the answer";
        };
    }

    /** What the timeline tells besides: how long it took, in milliseconds. */
    static ObjectNode details(Outgoing hub, Link link, ObjectNode told) {
        return States.join(told).put("ms", link.claimedAt == null ? null : Duration.between(link.claimedAt, hub.now()).toMillis());
    }
}
