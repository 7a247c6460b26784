package io.bactrian.engine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import io.bactrian.state.States;
import java.time.Instant;
import java.util.Set;

/** Ends a claim whose call failed: the record waits in sync.failure, or parked. Its next change tries again by itself. */
public final class Refusal {

    /**
     * Why a call failed.
     *
     * @param failureClass transient: nobody knows what happened, or it was too early: the same request is repeated after a growing pause, or after {@code retryAfter} seconds
     *
     *     <ul>
     *       <li>permanent: the system said no for good: nothing was written there, and only a person or another change of the record can mend it
     *       <li>denied: a permission is missing, so it would say no to every record of its kind: those wait. To one record alone, when it says yes to others, that is permanent
     *       <li>fatal: it would say no to every record: the system is paused, and the record parked
     *     </ul>
     * @param keySpent the answer is stored under the idempotency key, so that only another key can bring another one. A create is looked for first
     * @param unanswered the system did not do its part, whatever the record; {@code down}: so often of late that its circuit opens. While it is open, records are parked and are no
     *        failures
     * @param slowDown the class of endpoints that is called too fast, empty for all, null when none is
     * @param permission what is missing, in the system's words
     * @param details what else the timeline is to tell of the call
     */
    public record Failure(String failureClass, boolean keySpent, boolean unanswered, boolean down, String slowDown, String code, String reason, String requestId,
            String retryAfter, String permission, ObjectNode details) {
    }

    private final Outgoing hub;
    private final Link link;
    private final Failure failure;

    /** @param link as it was claimed, under a lease that still holds */
    public Refusal(Outgoing hub, Link link, Failure failure) {
        this.hub = hub;
        this.link = link;
        this.failure = failure;
    }

    /** Carries it out: waiting, refused, or parked. */
    public String outcome() {
        var direction = link.doing("fetch") && !States.names(link.inFlight, "point") ? "in" : "out";
        boolean making = link.doing("create") || Parts.makes(hub, link);
        var blame = hub.blame(link, failure, direction, making);
        var outcome = blame.failureClass().equals("permanent") ? "refused"
                : Set.of("fatal", "denied").contains(blame.failureClass()) || failure.unanswered() && blame.circuitOpen() ? "parked" : "waiting";
        var details = States.join(failure.details()).put("code", failure.code()).put("request_id", failure.requestId());
        hub.note("call", "%s: %s. %s".formatted(Flight.describe(link), words(outcome, blame), blame.reason()), Flight.details(hub, link, details));
        boolean looks = !link.doing("fetch") || link.lookAt != null; // a read that is refused is not repeated
        boolean refused = outcome.equals("refused");
        var mark = refused ? NextStep.mark(link.inFlightOp, link.inFlight, link.inFlightBase, link.remoteBase) : null;
        link.endLease();
        if (outcome.equals("parked")) {
            link.parkedAt = hub.now();
        }
        if (link.doing("fetch")) {
            link.lookAt = link.lookAt == null ? Link.time(link.inFlight, "edited_at") : link.lookAt;
        }
        giveUp(refused, blame.keySpent(), making && !link.doing("create"));
        looks = looks && refused && link.lookAt != null;
        if (looks && hub.isPausedIn(false)) {
            link.parkedAt = hub.now(); // it is read when inbound is resumed
        }
        hub.save(link);
        if (!outcome.equals("parked")) {
            hub.failure("out", blame.failureClass(), failure.code(), blame.reason(), failure.requestId(), failure.retryAfter(), mark);
        } else {
            hub.forgetReference();
        }
        if (link.touched || looks && link.parkedAt == null || refused && Instant.EPOCH.equals(link.inFlightAt)) {
            hub.poke(link.recordId);
        }
        return outcome;
    }

    private String words(String outcome, Outgoing.Blame blame) {
        return switch (outcome) {
            case "refused" -> "refused, a person or the next change must mend it";
            case "parked" -> (blame.failureClass().equals("denied") ? "a permission is missing" : "no answer to be had from " + link.system + " at present") + ", the record waits";
            default -> "failed, it is tried again";
        };
    }

    /** What becomes of the request: it is repeated, or looked for first, or given up. */
    private void giveUp(boolean refused, boolean keySpent, boolean makesPart) {
        boolean again = link.inFlightAt != null && link.claimedAt != null && link.inFlightAt.isBefore(link.claimedAt);
        if (refused && link.doing("create") && (keySpent || again)) {
            link.findFirst = true; // an earlier try may have made it
            link.revision++;
        } else if ((keySpent || refused && again) && makesPart) {
            link.inFlightAt = Instant.EPOCH; // this or an earlier try may have made the part: it is looked for
        } else if (refused) {
            link.endFlight();
            Echoes.forget(link);
            if (link.externalId != null && Echoes.isUnsure(link)) {
                link.lookAt = link.lookAt == null ? hub.now() : link.lookAt; // an earlier write of unknown outcome is not covered by this one
            }
            link.revision++; // an answer is stored under its key: the next try needs a new one
        } else if (keySpent) {
            if (link.doing("update")) {
                Echoes.handOn(link);
            }
            link.findFirst = link.doing("create");
            link.revision++;
        }
    }
}
