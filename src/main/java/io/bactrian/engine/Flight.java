package io.bactrian.engine;

import static io.bactrian.state.States.get;
import static io.bactrian.state.States.isPart;
import static io.bactrian.state.States.join;
import static io.bactrian.state.States.pick;
import static io.bactrian.state.States.same;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.States;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;

/** A write of ours, and what it achieved. */
final class Flight {

    private Flight() {
    }

    /**
     * Takes what a write of ours achieved into the bases: the hub's side by what was sent, the remote's by how it spells it. Called by whoever learns of it first, the answer or the
     * event. What a create did not send, because it goes out by calls of its own, is what the remote made of it.
     */
    static void land(Hub hub, Link link, String externalId, ObjectNode remote, Instant at, List<String> fields, Policies policies) {
        var sent = fields.stream().filter(field -> States.names(link.inFlight, field)).toList();
        var unsent = link.doing("create") ? fields.stream().filter(field -> !States.names(link.inFlight, field)).toList() : List.<String>of();
        Echoes.expect(link, sent, false);
        link.externalId = externalId == null ? link.externalId : externalId;
        link.hubBase = join(link.hubBase, pick(link.inFlight, sent), pick(remote, unsent));
        var asSent = Stream.concat(policies.leftToRemote(sent).stream(), reckonedAnew(link.inFlight, remote).stream()).toList(); // what differs from that is the remote's edit
        link.remoteBase = join(link.remoteBase, pick(remote, Stream.concat(sent.stream(), unsent.stream()).toList()), partsAsKnown(link, remote), pick(link.inFlight, asSent));
        if (link.doing("create")) {
            hub.release(link);
        }
        link.lastEventAt = Link.latest(link.lastEventAt, at);
        link.inChain = false;
        link.revision++;
        link.endFlight();
    }

    /** A create whose object was looked for and not found: what was sent then is the record as it was at the claim. */
    static void madeAnew(Link link) {
        if (link.doing("create") && link.findFirst && link.inFlightBase != null) {
            link.inFlight = link.inFlightBase;
        }
    }

    /** The fields in which a record differs from what was agreed on, and that matter: not what the remote alone tells, and has not told yet. */
    static List<String> toDo(Link link, ObjectNode record, List<String> fields, Policies policies) {
        return States.moved(link.hubBase, record, States.fields(fields, link.hubBase, record)).stream()
                .filter(field -> record == null || States.has(link.remoteBase, field) || !policies.belongsThere(field, link.remoteBase)).toList();
    }

    /** The parts in which the remote has made another number of one that was sent: that is no way to spell it, but what it is worth there. */
    private static List<String> reckonedAnew(ObjectNode sent, ObjectNode remote) {
        return States.names(sent).stream().filter(field -> isPart(field) && sent.get(field).isObject() && get(remote, field).isObject()
                && States.names(sent.get(field)).stream().anyMatch(key -> isOtherNumber(sent.get(field).get(key), get(remote.get(field), key)))).toList();
    }

    private static boolean isOtherNumber(JsonNode one, JsonNode other) {
        return one.isNumber() && other.isNumber() && !same(one, other);
    }

    /**
     * Of parts that were sent, what the remote makes of them but for the keys that were not in the request: an answer that tells another value of one than was known before
     * tells of somebody's edit.
     */
    private static ObjectNode partsAsKnown(Link link, ObjectNode remote) {
        var all = States.empty();
        for (var part : link.doing("update") ? States.names(link.inFlight) : List.<String>of()) {
            if (!isPart(part) || !get(remote, part).isObject()) {
                continue;
            }
            var sent = link.inFlight.get(part);
            var base = States.names(link.inFlightBase, part) ? get(link.inFlightBase, part) : get(link.hubBase, part);
            var before = get(link.remoteBase, part);
            var known = States.pickIf(before, (key, value) -> remote.get(part).has(key) && base.has(key) && sent.has(key)
                    && same(base.get(key), sent.get(key)) && !same(value, remote.get(part).get(key)));
            if (!known.isEmpty()) {
                all.set(part, join(remote.get(part), known));
            }
        }
        return all;
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
