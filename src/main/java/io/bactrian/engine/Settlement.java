package io.bactrian.engine;

import static io.bactrian.state.States.isPart;
import static io.bactrian.state.States.join;
import static io.bactrian.state.States.moved;
import static io.bactrian.state.States.pick;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Refusal.Failure;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.States;
import io.bactrian.state.Unfit;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Objects;

/** Ends a claim that reached the other system: the bases advance by what was sent, and the answer goes through the same merge as an event. */
public final class Settlement {

    private static final Duration KEY = Duration.ofHours(23);

    /**
     * What the system answered.
     *
     * @param remote the object's state there in canonical form; null when it is gone (deleted by us, or by somebody else)
     * @param at the other system's clock at that state
     * @param stale the state is that of an earlier answer (a replayed one)
     * @param details what else the timeline is to tell of the call
     */
    public record Answer(String externalId, ObjectNode remote, Instant at, boolean stale, ObjectNode details) {
    }

    private final Outgoing hub;
    private final Answer answer;
    private final List<String> fields;
    private final Policies policies;
    private final String op;
    private Link link;
    private ObjectNode remote;
    private List<String> all;
    private String outcome = "settled";
    private String taken;
    private ObjectNode state;

    /** @param link as it was claimed, under a lease that still holds */
    public Settlement(Outgoing hub, Link link, Answer answer, List<String> fields, Policies policies) {
        this.hub = hub;
        this.link = link;
        this.answer = answer;
        this.fields = fields;
        this.policies = policies;
        op = link.inFlightOp == null ? "" : link.inFlightOp;
    }

    /**
     * Carries it out.
     *
     * @return settled; gone; look: an update met no object, so that it is read before anything is believed; missed: what was found is an object that the record's id had in an
     *         earlier life; failed: the answer does not fit the hub (kept in sync.failure); waiting: it names an object that the hub does not have yet, and the call is repeated
     */
    public String outcome() {
        var what = Flight.describe(link);
        boolean pointing = States.names(link.inFlight, "point");
        try {
            remote = hub.internal(link.recordId, answer.remote, link.known());
        } catch (Unfit e) {
            return fail("transient", false, "reference", "%s has %s in it, which is not in the hub yet: it is asked again soon".formatted(link.system, e.getMessage().replace("/", " ")),
                    "5", "waiting");
        }
        remote = policies.keepOnce(remote, link.remoteBase);
        if (op.equals("update") && remote != null) {
            remote = join(link.remoteBase, remote); // a call about one part tells nothing of the rest
        }
        all = States.fields(fields, link.hubBase, link.remoteBase, link.inFlight, remote);
        hub.answered();
        if (remote != null && Objects.equals(link.deletion, "confirmed")) {
            link.deletion = null; // it is not gone
        }
        hub.forgetFailureOut(op.equals("fetch")); // a read is no success of the write that it prepares
        var unfit = op.equals("create") ? unfitCreate() : null;
        if (unfit != null) {
            return unfit;
        }
        read();
        if (state != null) {
            merge(pointing);
        }
        hub.note("call", what + words(), Flight.details(hub, link, join(answer.details).put("external_id", link.externalId)));
        link.endLease();
        hub.save(link);
        goOn();
        return outcome;
    }

    private String fail(String failureClass, boolean keySpent, String code, String reason, String retryAfter, String outcome) {
        new Refusal(hub, link, new Failure(failureClass, keySpent, false, false, null, code, reason, null, retryAfter, null, answer.details)).outcome();
        return outcome;
    }

    /** Answers to a create that cannot be believed, and one that says that it was never made; else null. */
    private String unfitCreate() {
        if (answer.externalId == null && remote != null) {
            return fail("permanent", true, "no_id", link.system + " answered the create without an id: look there whether the object was made, then select sync.retry", null, "failed");
        } else if (answer.externalId != null && hub.isAnothers(answer.externalId)) {
            hub.failure("out", "permanent", "23505",
                    "%s belongs to another record, but points to this one: take its hub_id away there, then try again".formatted(answer.externalId), null, null, null);
            link.endFlight();
            link.endLease();
            hub.save(link);
            return "failed";
        } else if (remote == null && !link.findFirst) {
            return fail("permanent", true, "no_object", link.system + " answered the create without an object: look there whether it was made, then select sync.retry", null, "failed");
        } else if (remote == null) { // looked for, not found, and deleted in the hub meanwhile
            hub.unlink();
            hub.note("call", "it was never made in " + link.system, answer.details);
            if (hub.read(link.recordId) != null) {
                hub.poke(link.recordId);
            }
            return "gone";
        }
        return null;
    }

    /** What the answer means for the link; {@link #state} is what is to be merged. */
    private void read() {
        var object = answer.externalId == null ? link.externalId : answer.externalId;
        if (op.equals("create") && answer.stale && hub.wasOurs(object)) {
            // The newest that was found is one that this id had before.
            link.endFlight();
            outcome = "missed";
        } else if (remote == null && op.equals("update")) {
            lookAgain();
        } else if (remote == null || hub.isGone(object)) {
            lose();
        } else if (op.equals("create") || op.equals("update")) {
            land();
        } else if (op.equals("fetch")) {
            state = remote;
        } else if (!Objects.equals(answer.externalId, link.externalId) && answer.externalId != null && link.externalId != null) {
            hub.failure("in", "permanent", "23505",
                    "record %s has two objects in %s: %s is linked, %s is not".formatted(link.recordId, link.system, link.externalId, answer.externalId), null, null, null);
            outcome = "failed";
        } // else the echo of our write came before its answer, and said the same
    }

    /** An update met no object. A part that was to be gone is gone, by whomever. */
    private void lookAgain() {
        var gone = States.pickIf(link.inFlight, (field, value) -> isPart(field) && value.isNull());
        link.hubBase = join(link.hubBase, gone);
        link.remoteBase = join(link.remoteBase, gone);
        link.lookAt = link.lookAt != null ? link.lookAt : answer.at != null ? answer.at : hub.now();
        Echoes.forget(link);
        link.revision++;
        link.endFlight();
        if (hub.isPausedIn(false)) {
            link.parkedAt = hub.now(); // it is read when inbound is resumed
        }
        outcome = "look";
    }

    private void lose() {
        boolean ours = op.equals("delete");
        boolean done = hub.succeeds(() -> link = ours ? hub.bury(link, answer.externalId, fields) : hub.takeDeletion(link, answer.externalId, fields));
        if (!done) {
            link.endFlight();
        }
        outcome = done ? "gone" : "failed";
    }

    private void land() {
        var sent = op.equals("update") ? States.names(link.inFlight) : List.<String>of();
        boolean found = op.equals("create") && answer.stale
                && (link.findFirst || link.inFlightAt != null && link.claimedAt != null && link.inFlightAt.isBefore(link.claimedAt.minus(KEY)));
        if (!answer.stale) {
            Flight.madeAnew(link);
        }
        var inFlight = link.inFlight;
        var made = found ? hub.asMade(link, all) : null;
        Flight.land(hub, link, answer.externalId, made == null ? remote : made, answer.at, all, policies);
        if (found) {
            // Whether what differs is an edit, or how it is spelled there, nobody knows: it counts as edited on both sides, here later.
            link.hubBase = States.without(link.hubBase, moved(made, remote, all).stream().filter(field -> States.names(inFlight, field)).toList());
            link.lookAt = link.lookAt == null ? Instant.EPOCH : link.lookAt;
        } else if (answer.stale) {
            link.lookAt = Link.latest(link.lookAt, answer.at);
        } else if (op.equals("create") && link.lookAt == null) {
            // What is the remote's own, it has made by now.
            if (policies.hasRules() && !hub.isPausedIn(false) && !moved(link.remoteBase, remote, all).isEmpty()) {
                state = remote;
            }
        } else if (op.equals("update") && link.lookAt == null) {
            takeRest(sent);
        }
    }

    /** The fields that were sent are settled; the answer also tells what others did to the rest meanwhile. */
    private void takeRest(List<String> sent) {
        var left = policies.leftToRemote(sent);
        var told = remote;
        state = join(remote, pick(link.remoteBase, sent.stream()
                .filter(field -> !left.contains(field) && !(isPart(field) && !States.same(States.get(link.remoteBase, field), States.get(told, field)))).toList()));
        if (hub.isPausedIn(false) && !moved(link.remoteBase, state, all).isEmpty()) {
            link.lookAt = answer.at;
            state = null;
        }
    }

    private void merge(boolean pointing) {
        boolean read = op.equals("fetch");
        var merged = read ? Parts.asMade(link, state) : link.copy();
        boolean done = hub.succeeds(() -> {
            var merge = new Merge(merged, hub.lock(link.recordId), state, read ? Link.time(link.inFlight, "edited_at") : answer.at, all, policies, hub.table());
            merge.into(hub, () -> { });
            taken = merge.outcome();
        });
        if (done) {
            link = merged;
            link.lastEventAt = Link.latest(link.lastEventAt, answer.at);
            link.inChain = false;
            hub.forgetFailureIn(link.recordId);
            if (read && pointing) {
                link.oldPointer = false;
                hub.pointed();
            }
        } else {
            outcome = "failed";
            if (read && Parts.seeks(lookingAgain())) { // it is looked for again before anything is sent
                link.lookAt = lookingAgain().lookAt;
            }
        }
        if (read) {
            link.endFlight();
            Echoes.looked(link);
            if (done && States.haveParts(fields)) {
                hub.missParts(link);
            }
        }
    }

    private Link lookingAgain() {
        var again = link.copy();
        again.lookAt = link.lookAt == null ? Link.time(link.inFlight, "edited_at") : link.lookAt;
        return again;
    }

    private String words() {
        return switch (outcome) {
            case "settled" -> ": done" + ("applied".equals(taken) ? ", and what others edited there was taken"
                    : "conflict".equals(taken) ? ", and both sides had edited one field: see sync.conflict" : "");
            case "gone" -> ": it is gone there";
            case "look" -> ": it is not there; it is read again before that is believed";
            case "missed" -> ": it was never made, and is made now";
            default -> ": done, but the answer does not fit the hub: see sync.failure";
        };
    }

    /** Asks for another look when there is more to do. */
    private void goOn() {
        var record = hub.read(link.recordId);
        boolean failed = outcome.equals("failed"); // a person's turn, or the next change's
        if (link.touched
                || link.deletedAt != null && record != null && link.deletion == null
                || link.deletedAt == null && link.deletion == null && link.parkedAt == null && !failed
                        && (outcome.equals("missed") || link.lookAt != null || link.oldPointer || record == null
                                || !Flight.toDo(link, record, fields, policies).isEmpty())) {
            hub.poke(link.recordId);
        } else if (op.equals("fetch") && !failed) {
            hub.forgetFailureOut(false); // nothing is left to write
        }
    }
}
