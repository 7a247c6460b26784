package io.bactrian.engine;

import static io.bactrian.state.States.get;
import static io.bactrian.state.States.isPart;
import static io.bactrian.state.States.join;
import static io.bactrian.state.States.moved;
import static io.bactrian.state.States.pick;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.engine.Hub.Conflict;
import io.bactrian.state.Keys;
import io.bactrian.state.Link;
import io.bactrian.state.Policies;
import io.bactrian.state.Side;
import io.bactrian.state.States;
import io.bactrian.state.Times;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;

/** What is to be done about a record that may have to be written: it is taken for one write, or nothing is to be done, or it waits. */
public final class NextStep {

    /** So long is an idempotency key of use: Stripe keeps it for 24 hours. */
    private static final Duration KEY = Duration.ofHours(23);

    private static final List<String> WRITES = List.of("create", "find", "update");

    private final Outgoing hub;
    private final Link link;
    private final List<String> fields;
    private final Policies policies;
    private ObjectNode row;
    private ObjectNode record;
    private ObjectNode base;
    private ObjectNode moves;
    private ObjectNode repeat;
    private List<String> due;
    private boolean ended;

    /**
     * What is to be done.
     *
     * @param action none      nothing, or nothing but what was refused already: see sync.retry
     *
     *     <ul>
     *       <li>busy: somebody else holds the record; they will look again
     *       <li>parked: the system is paused, does not answer, or does not let us: sync.unpark asks again
     *       <li>waiting: it refers to a record that the system does not have yet: asked for again when it does, see sync.failure
     *       <li>find: a create whose outcome nobody knows, and which cannot be repeated, because its idempotency key is forgotten by now, or its request refused: look for the
     *           object among those made since inFlightAt. Settle with it if it is there; else send record, which is the row as it is now, or settle without anything when record
     *           is null
     *       <li>create: send record (base is null); update: send what differs between record and base, both whole records; delete: delete externalId
     *       <li>fetch: read externalId and settle with what it says; point: add the pointers to externalId, then the same as fetch
     *     </ul>
     *
     *     Every action but none, busy, parked and waiting must end in a {@link Settlement} or a {@link Refusal} with the token
     * @param keyPrefix begins the idempotency key
     * @param record in the system's ids, and so is base
     */
    public record Claim(String action, Long token, String externalId, String keyPrefix, ObjectNode record, ObjectNode base, Instant inFlightAt) {

        /** Nothing to be done, or not now. */
        public static Claim of(String action) {
            return new Claim(action, null, null, null, null, null, null);
        }
    }

    /**
     * @param row the record as it is; null when it is gone
     * @param fields the columns that the system syncs, in the order in which they go out: {@code invoice_items/*} are the parts of a record, each of which goes out by itself, after
     *        what is named before them and before what is named after
     */
    public NextStep(Outgoing hub, Link link, ObjectNode row, List<String> fields, Policies policies) {
        this.hub = hub;
        this.link = link;
        this.row = row;
        this.fields = fields;
        this.policies = policies;
        record = row;
    }

    /**
     * Takes the record.
     *
     * @param holder the instance that asks
     */
    public Claim claim(String holder) {
        if (link.leaseUntil != null && link.leaseUntil.isAfter(hub.now())) {
            hub.touch();
            return Claim.of("busy");
        }
        giveUpWhatIsNoUse();
        if (Parts.seeks(link) && hub.isPausedIn(true)) {
            link.parkedAt = link.parkedAt == null ? hub.now() : link.parkedAt;
            link.endLease();
            hub.save(link);
            return Claim.of("parked");
        }
        var action = isGoneThere() ? "none" : choose();
        if (ended) {
            return Claim.of("none");
        }
        if (action.equals("none") && link.oldPointer && link.externalId != null && link.deletedAt == null && row != null && !hub.isPausedIn(true)) {
            action = "point";
        }
        return action.equals("none") ? rest() : begin(action, holder);
    }

    private Claim rest() {
        if (link.parkedAt != null || link.lookAt != null) {
            link.parkedAt = link.lookAt == null || link.deletedAt != null ? null : link.parkedAt == null ? hub.now() : link.parkedAt; // read when inbound is resumed
            hub.rest(link);
        }
        hub.forgetFailureOut(false);
        return new Claim("none", null, link.externalId, null, record, base, null);
    }

    /** A read is begun anew, and so is a write whose key is of no use any more. */
    private void giveUpWhatIsNoUse() {
        if (link.doing("fetch")) {
            link.lookAt = link.lookAt == null ? Link.time(link.inFlight, "edited_at") : link.lookAt;
            link.inFlightOp = null;
        }
        if (Parts.makes(hub, link) && (isKeyForgotten() || hub.namesWhatIsGone(link, fields))) {
            Parts.lookFor(link);
        }
    }

    private boolean isKeyForgotten() {
        return link.inFlightAt != null && link.inFlightAt.isBefore(hub.now().minus(KEY));
    }

    /** Whether the object is gone and the row stays, or waits for a person; else what was decided about a delete of the row is over if the row is there. */
    private boolean isGoneThere() {
        boolean kept = Objects.equals(link.deletion, "kept");
        if (Objects.equals(link.deletion, "held_in") || kept && row != null) {
            link.lookAt = null;
            return true;
        }
        if (kept || row != null && link.externalId != null && link.deletedAt == null && (!Objects.equals(link.deletion, "confirmed") || link.lookAt == null)) {
            hub.rowIsBack(link, row);
        }
        if (link.inFlightOp == null && States.haveParts(fields) && !Parts.seeks(link)) {
            hub.letGoOfParts(link, row);
            if (hub.hasUnknownPart(link)) {
                link.lookAt = link.lookAt == null ? Instant.EPOCH : link.lookAt;
            }
        }
        return false;
    }

    private String choose() {
        if (link.deletedAt != null) {
            return row == null ? "none" : anew();
        } else if (link.doing("create")) {
            // A create whose outcome nobody knows: the very same request again, whatever the record is now, so that the idempotency key finds the object that may exist already.
            // What changed since goes out after it.
            if (link.findFirst || isKeyForgotten() || hub.namesWhatIsGone(link, fields)) {
                return "find";
            }
            record = link.inFlight;
            return "create";
        } else if (link.externalId == null) {
            return row == null ? "none" : "create";
        } else if (link.doing("delete")) {
            record = null;
            return "delete"; // of unknown outcome: finished first, even if the id has a new record meanwhile
        } else if (link.lookAt != null && (row == null || !link.doing("update")) && !hub.isPausedIn(true)) {
            return "fetch"; // even if the record is gone: what was edited there is kept
        }
        return row == null ? delete() : update();
    }

    /** Somebody gave a new record the id of one that is gone. It is a new object; the tombstone of the old one stays. */
    private String anew() {
        link.externalId = null;
        link.hubBase = null;
        link.remoteBase = null;
        link.unechoed = null;
        link.lateEdits = null;
        link.lastEventAt = null;
        link.deletedAt = null;
        link.deletedBy = null;
        link.deletion = null;
        return "create";
    }

    private String delete() {
        var what = hub.decideDeletion(link);
        switch (what) {
            case "keep" -> hub.keepObject(link);
            case "hold" -> hub.holdDeletion(link);
            case "delete" -> hub.release(link); // whoever waits for a part that has moved does not any more
            default -> { }
        }
        ended = !what.equals("delete");
        return what;
    }

    private String update() {
        if (policies.hasInbound() && link.inFlightOp == null && !hub.isPausedIn(false)) {
            putBack();
            if (row == null) {
                return delete(); // just now
            }
        }
        var all = States.fields(fields, row, link.hubBase, link.inFlight);
        moves = pick(link.hubBase, moved(link.hubBase, row, all).stream().filter(field -> !policies.belongsThere(field, link.remoteBase)).toList());
        if (link.doing("update")) {
            // An update whose outcome nobody knows. Where the record still says what was sent, it is sent again; where it says something else, that goes out, and compares to what
            // was sent.
            for (var field : States.names(link.inFlight)) {
                var sent = link.inFlight.get(field);
                moves.set(field, States.same(sent, get(row, field)) ? get(link.inFlightBase, field) : sent);
            }
        }
        due = States.names(moves);
        if (States.haveParts(fields)) {
            due = States.oneCall(fields, due, link.doing("update") ? States.names(link.inFlight) : due);
            moves = pick(moves, due);
        }
        if (!Parts.deletes(link) && due.stream().anyMatch(field -> isPart(field) && get(row, field).isNull() && !get(moves, field).isNull() && hub.holdsPart(link, field))) {
            hub.failure("out", "permanent", "delete", ("rows that belong to it were deleted, and many others with them: to delete them in %1$s, too: "
                    + "select sync.confirm_deletes('%1$s', '%2$s'); if that is wrong, insert them again").formatted(link.system,
                    States.entityOf(due.stream().filter(States::isPart).findFirst().orElseThrow())), null, null, null);
            ended = true;
            return "none";
        }
        if (Parts.makes(hub, link) || Parts.deletes(link)) {
            repeat = link.inFlight; // a part that may have been made, or deleted: the very same request again, as for a record
            moves = pick(link.inFlightBase, due);
        }
        record = join(row, repeat == null ? pick(row, due) : repeat); // a part that is gone is null
        base = join(row, moves);
        return moves.isEmpty() ? "none" : "update";
    }

    /** Puts back what somebody changed here of fields that belong to the system; the edited values are kept in sync.conflict. */
    private void putBack() {
        var wrong = moved(link.hubBase, row, fields).stream()
                .filter(field -> States.names(link.hubBase, field) && States.has(link.remoteBase, field) && policies.belongsThere(field, link.remoteBase)).toList();
        if (wrong.isEmpty()) {
            return;
        }
        row = hub.lock(link.recordId); // nobody changes it meanwhile
        record = row;
        var back = wrong.stream().filter(field -> row != null && !States.same(get(row, field), get(link.hubBase, field))).toList();
        if (back.isEmpty()) {
            return;
        }
        back.stream().filter(field -> !get(row, field).isNull()) // else nobody had told it yet
                .forEach(field -> hub.conflict(link, new Conflict(field, get(link.hubBase, field), get(row, field), get(link.remoteBase, field), Side.REMOTE,
                        "it belongs to " + link.system + ": put back")));
        hub.write(link.system, link.recordId, pick(link.hubBase, back), written -> {
            row = written;
            record = written;
        });
    }

    private Claim begin(String action, String holder) {
        boolean making = action.equals("create") || action.equals("find");
        if (making && record != null && States.haveParts(fields)) {
            var all = States.fields(fields, record);
            var first = States.oneCall(fields, all, all);
            record = States.without(record, all.stream().filter(field -> !first.contains(field)).toList()); // the rest goes out when it is there
        }
        if (making && record != null && policies.hasInbound()) {
            record = States.without(record, States.names(record).stream().filter(field -> policies.belongsThere(field, null)).toList());
        }
        var request = request(action);
        var compared = action.equals("find") ? record /* what is made if nothing is found */ : moves;
        String missing = null;
        if (WRITES.contains(action)) {
            var sent = due == null ? fields : due;
            var external = hub.external(record, sent, false);
            record = external.record();
            missing = external.missing();
            base = hub.external(base, sent, true).record();
        }
        if (action.equals("create") && link.inFlightOp == null && hub.isAwaited()) {
            hub.failure("out", "transient", "reference",
                    "an object in %s points to it, and waits in sync.event for what that refers to: it is linked then".formatted(link.system), null, null, null);
            return Claim.of("waiting");
        }
        if (missing != null && (link.inFlightOp == null || action.equals("find") || !States.same(request, link.inFlight))) {
            hub.waitFor(link, missing, whyItWaits(missing));
            return Claim.of("waiting");
        }
        if (link.inFlightOp == null && List.of("create", "update", "delete").contains(action)
                && mark(action, request, compared, link.remoteBase).equals(hub.refusedMark())) {
            return Claim.of("none"); // the answer would be the same
        }
        var token = hub.beginCall(action);
        return token == null ? Claim.of("parked") : take(action, token, request, compared, holder);
    }

    /** What is in flight: the whole record, or what moved; of a read when it was edited there. */
    private ObjectNode request(String action) {
        return switch (action) {
            case "create" -> record;
            case "find" -> link.inFlight;
            case "update" -> repeat == null ? pick(row, due) : repeat;
            case "fetch" -> States.empty().put("edited_at", Times.spell(link.lookAt));
            case "point" -> States.empty().put("edited_at", "epoch").put("point", true);
            default -> null;
        };
    }

    private String whyItWaits(String missing) {
        return States.entityOf(missing).equals(link.entity)
                ? "a part of it has moved here from %s, and is still there in %s: it is sent as soon as it is not".formatted(missing.replace("/", " "), link.system)
                : "it refers to %s, which is not in %s yet: it is sent as soon as that is".formatted(missing.replace("/", " "), link.system);
    }

    private Claim take(String action, long token, ObjectNode request, ObjectNode compared, String holder) {
        if (action.equals("fetch")) {
            link.lookAt = null; // an event that comes while we read asks for another look
        } else if (action.equals("find")) {
            link.findFirst = true; // what is found is as it is now, and not as it was made
            link.revision++;
        } else if (!link.doing(action) || !States.same(request, link.inFlight)) {
            newRequest(action);
        }
        link.leaseToken = token;
        link.leaseUntil = hub.leaseEnd();
        link.holder = holder;
        link.claimedAt = hub.now();
        link.touched = false;
        link.parkedAt = null;
        link.waitsFor = null;
        if (!link.doing(action) && !action.equals("find")) {
            link.inFlightAt = hub.now();
        }
        link.inFlightOp = action.equals("find") ? "create" : action.equals("point") ? "fetch" : action;
        link.inFlight = request;
        link.inFlightBase = compared;
        if (action.equals("update") && States.haveParts(fields)) {
            hub.holdParts(request);
        }
        hub.save(link);
        var prefix = link.oldKeyTo != null && link.revision <= link.oldKeyTo ? Keys.oldPrefix(link.entity, link.recordId) // the same request again, under its key
                : Keys.prefix(hub.installation(), link.entity, link.recordId);
        return new Claim(action, token, link.externalId, prefix + link.revision, record, base, link.inFlightAt);
    }

    /** Another request than the one whose outcome is unknown needs another key: that one's answer may be stored. */
    private void newRequest(String action) {
        if (link.doing("update") && action.equals("update")) {
            Echoes.handOn(link);
        }
        if (link.inFlightOp != null) {
            link.revision++;
        }
        if (action.equals("update")) {
            Echoes.expect(link, due, true);
        }
    }

    /** Tells a request from others to the same record, without saying what it holds: what is sent, and what is known of both sides. */
    static String mark(String action, ObjectNode sent, ObjectNode compared, ObjectNode remote) {
        try {
            var all = action + States.canonical(sent) + States.canonical(compared) + States.canonical(remote);
            return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(all.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("each Java has MD5", e);
        }
    }
}
