package io.bactrian.engine;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.Link;
import java.time.Instant;
import java.util.List;

/** The hub, as decisions about a write to another system see it. */
public interface Outgoing extends Hub {

    /** Now, by Postgres' clock. */
    Instant now();

    /** When a lease that begins now ends: later than any call may. */
    Instant leaseEnd();

    /** Whether events of the system wait, because a person has paused it; {@code orStopped}: or because objects of that kind may not be read. */
    boolean isPausedIn(boolean orStopped);

    /** Whether an event waits for something whose object points to this record. */
    boolean isAwaited();

    /** The mark of the request that the system refused last, while it stands; else null. */
    String refusedMark();

    /** The id of the object of another record, a part say; null when it has none. */
    String externalId(String entityAndId);

    /** Whether a state names a record whose object is gone. */
    boolean namesWhatIsGone(Link link, List<String> fields);

    /** A record in the system's ids, and what it names that has no object there, entity/id, or null. See sync.external. */
    External external(ObjectNode record, List<String> sent, boolean isBase);

    /** Whatever was decided about the delete of a row that is there is over, with its parts if it has any. Changes the link. */
    void rowIsBack(Link link, ObjectNode record);

    /** Parts that the record was about to have there, and has not here any more, may be made elsewhere. */
    void letGoOfParts(Link link, ObjectNode record);

    /** Whether a part has an object that an event told of without saying what it is like. */
    boolean hasUnknownPart(Link link);

    /** The record is about to have parts there: nobody else makes them meanwhile. */
    void holdParts(ObjectNode sent);

    /** Whether the delete of a part waits for a person. */
    boolean holdsPart(Link link, String part);

    /** The whole was read: a part that is not in it was never made, or is gone. Changes the link. */
    void missParts(Link link);

    /** What becomes of the object of a row that is gone: delete, keep, hold, or later. See sync.decide_deletion. */
    String decideDeletion(Link link);

    /** The object stays there, and nobody looks after it any more. */
    void keepObject(Link link);

    /** The delete waits for a person. */
    void holdDeletion(Link link);

    /** What a create made that was sent so, with the defaults of what was not sent. See sync.as_made. */
    ObjectNode asMade(Link link, List<String> fields);

    /** Somebody asks for the record while a worker has it. */
    void touch();

    /** Nothing is to be done: what is left is when to look again. */
    void rest(Link link);

    /** The record waits until its system can be called. */
    void park();

    /** The record waits for another one to have an object there. Whoever waits first asks for that. */
    void waitFor(Link link, String entityAndId, String reason);

    /** A number for the write that is about to begin, larger than all before; null when the system may not be called now. */
    Long beginCall(String action);

    /** The write was answered: a probe of the circuit, or of a permission, succeeded. */
    void answered();

    /** What was refused, or could not be sent, is over; {@code lastingOnly}: not what is tried again by itself. */
    void forgetFailureOut(boolean lastingOnly);

    /** What it waited for is there, and it waits for something else now. */
    void forgetReference();

    /** The record waits in sync.failure. Transient ones are tried again, after {@code retryAfter} seconds if that is said. */
    void failure(String direction, String failureClass, String code, String reason, String requestId, String retryAfter, String mark);

    /** Forgets the record's link: nothing of it is there. */
    void unlink();

    /** The object has the pointers of this version now. */
    void pointed();

    /** A line of the record's timeline. */
    void note(String kind, String what, ObjectNode details);

    /** The object that another record of the same entity is linked to is this one. */
    boolean isAnothers(String externalId);

    /** Whether an object is gone that was this record's. */
    boolean wasOurs(String externalId);

    /** Does something that the tables may refuse. False: they did, it is undone, and why is kept as a failure of what came in. */
    boolean succeeds(Runnable action);

    /** What follows for the system from a call that failed; tells whether the record waits parked. See sync.blame. */
    Blame blame(Link link, Refusal.Failure failure, String direction, boolean unsure);

    /**
     * A record in the system's ids.
     *
     * @param missing what it names that has no object there, entity/id; null when there is nothing
     */
    record External(ObjectNode record, String missing) {
    }

    /**
     * What follows from a failed call.
     *
     * @param failureClass and {@code reason}, keySpent: as they are now known to be
     * @param circuitOpen whether the system is taken to be away
     */
    record Blame(String failureClass, String reason, boolean keySpent, boolean circuitOpen) {
    }
}
