package io.bactrian.watch;

import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A queue of work that somebody could do now, and what is at its front. While the front is the same, nothing moves.
 *
 * @param kind {@code changes}, {@code parked}, {@code leases}, {@code events}, {@code hints}, {@code retries} or {@code messages}
 * @param system whose; empty for changes, which are for all
 * @param entity whose; empty for changes
 * @param front names what is to be done next
 */
record Work(String kind, String system, String entity, String front) {

    /** What stands still, and where to look, in words. */
    String standsStill(long seconds) {
        var whose = Stream.of(system, entity).filter(word -> !word.isEmpty()).collect(Collectors.joining(" "));
        var still = " and nothing moved for " + seconds + " seconds: ";
        return switch (kind) {
            case "changes" -> "changes wait in sync.outbox," + still + "is Kafka there, does the route capture run, and who has the lease in sync.drain?";
            case "parked" -> "records of " + whose + " wait for their system, which is neither paused nor down," + still + "does the route upkeep run?";
            case "leases" -> "leases of " + whose + " ran out," + still + "does the route upkeep run?";
            case "events" -> "stored events of " + whose + " wait, though inbound is not paused," + still + "does the route upkeep-events run?";
            case "hints" -> "events of " + whose + " wait for their objects to be read," + still + "does the route stripe-hints run?";
            case "retries" -> "failures of " + whose + " are due," + still + "does the route upkeep run?";
            case "messages" -> "messages wait for " + whose + " at " + front + "," + still + "does its consumer run?";
            default -> kind + " of " + whose + " wait," + still + "see sync.status()";
        };
    }
}
