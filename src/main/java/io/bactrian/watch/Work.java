package io.bactrian.watch;

import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A queue of work that somebody could do now, and what is at its front. While the front is the same, nothing moves.
 *
 * @param kind {@code changes}, {@code parked}, {@code leases}, {@code events}, {@code hints}, {@code retries}, {@code messages} or {@code unread}
 * @param system whose; empty for changes, which are for all
 * @param entity whose
 * @param front names what is to be done next
 */
record Work(String kind, String system, String entity, String front) {

    /** What a group of consumers has to do, named {@code bactrian.<system>.<entity>}. */
    static Work of(String group, String kind, String front) {
        var names = group.split("\\.", 3);
        return names.length == 3 ? new Work(kind, names[1], names[2], front) : new Work(kind, group, "", front);
    }

    /** What stands still, and where to look, in words. */
    String standsStill(long seconds) {
        var whose = Stream.of(system, entity).filter(word -> !word.isEmpty()).collect(Collectors.joining(" "));
        var still = " and nothing moved for " + seconds + " seconds: ";
        return switch (kind) {
            case "changes" -> "changes of " + entity + " wait in sync.outbox," + still + "is Kafka there, does the route capture run, and who has the lease in sync.drain?";
            case "parked" -> "records of " + whose + " wait for their system, which is neither paused nor down," + still + "does the route upkeep run?";
            case "leases" -> "leases of " + whose + " ran out," + still + "does the route upkeep run?";
            case "events" -> "stored events of " + whose + " wait, though inbound is not paused," + still + "does the route upkeep-events run?";
            case "hints" -> "events of " + whose + " wait for their objects to be read," + still + "does the route hints run?";
            case "retries" -> "failures of " + whose + " are due," + still + "does the route upkeep run?";
            case "messages" -> "messages wait for " + whose + " at " + front + "," + still + "does its consumer run?";
            case "unread" -> "for " + seconds + " seconds nobody has been able to see what waits for " + whose + ": the topic " + front;
            default -> kind + " of " + whose + " wait," + still + "see sync.status()";
        };
    }
}
