package io.bactrian.state;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.Objects;

/**
 * A row of sync.link: which record is which object in which system, what the two sides last agreed on, and what is under way. Decisions change a copy, and the hub saves it.
 * The columns are described where the table is made: {@code sql/migration/V2__sync.sql}.
 */
public final class Link {

    public final String system;
    public final String entity;
    public final String recordId;
    public String externalId;
    public ObjectNode hubBase;
    public ObjectNode remoteBase;
    public ObjectNode unechoed;
    public ObjectNode lateEdits;
    public Instant lastEventAt;
    public boolean inChain;
    public Instant lookAt;
    public long revision;
    public Long leaseToken;
    public Instant leaseUntil;
    public String holder;
    public Instant claimedAt;
    public boolean touched;
    public Instant parkedAt;
    public String waitsFor;
    public Instant inFlightAt;
    public boolean findFirst;
    public String inFlightOp;
    public ObjectNode inFlight;
    public ObjectNode inFlightBase;
    public Instant deletedAt;
    public String deletedBy;
    public String deletion;
    public final Long oldKeyTo;
    public boolean oldPointer;

    /** From a row as Postgres' to_jsonb spells it, in UTC. */
    public Link(JsonNode row) {
        system = row.get("system").asText();
        entity = row.get("entity").asText();
        recordId = row.get("record_id").asText();
        externalId = States.text(row, "external_id");
        hubBase = object(row, "hub_base");
        remoteBase = object(row, "remote_base");
        unechoed = object(row, "unechoed");
        lateEdits = object(row, "late_edits");
        lastEventAt = time(row, "last_event_at");
        inChain = row.path("in_chain").asBoolean();
        lookAt = time(row, "look_at");
        revision = row.path("revision").asLong();
        leaseToken = row.hasNonNull("lease_token") ? row.get("lease_token").asLong() : null;
        leaseUntil = time(row, "lease_until");
        holder = States.text(row, "holder");
        claimedAt = time(row, "claimed_at");
        touched = row.path("touched").asBoolean();
        parkedAt = time(row, "parked_at");
        waitsFor = States.text(row, "waits_for");
        inFlightAt = time(row, "in_flight_at");
        findFirst = row.path("find_first").asBoolean();
        inFlightOp = States.text(row, "in_flight_op");
        inFlight = object(row, "in_flight");
        inFlightBase = object(row, "in_flight_base");
        deletedAt = time(row, "deleted_at");
        deletedBy = States.text(row, "deleted_by");
        deletion = States.text(row, "deletion");
        oldKeyTo = row.hasNonNull("old_key_to") ? row.get("old_key_to").asLong() : null;
        oldPointer = row.path("old_pointer").asBoolean();
    }

    /** The row, as jsonb_populate_record takes it. */
    public ObjectNode row() {
        var row = States.empty();
        row.put("system", system).put("entity", entity).put("record_id", recordId).put("external_id", externalId);
        row.set("hub_base", hubBase);
        row.set("remote_base", remoteBase);
        row.set("unechoed", unechoed);
        row.set("late_edits", lateEdits);
        row.put("last_event_at", Times.spell(lastEventAt)).put("in_chain", inChain).put("look_at", Times.spell(lookAt)).put("revision", revision)
                .put("lease_token", leaseToken).put("lease_until", Times.spell(leaseUntil)).put("holder", holder).put("claimed_at", Times.spell(claimedAt))
                .put("touched", touched).put("parked_at", Times.spell(parkedAt)).put("waits_for", waitsFor).put("in_flight_at", Times.spell(inFlightAt))
                .put("find_first", findFirst).put("in_flight_op", inFlightOp);
        row.set("in_flight", inFlight);
        row.set("in_flight_base", inFlightBase);
        return row.put("deleted_at", Times.spell(deletedAt)).put("deleted_by", deletedBy).put("deletion", deletion).put("old_key_to", oldKeyTo).put("old_pointer", oldPointer);
    }

    /** The same row, to be changed. */
    public Link copy() {
        return new Link(row());
    }

    /** Whether a write of that kind is under way, or its outcome unknown. */
    public boolean doing(String op) {
        return Objects.equals(inFlightOp, op);
    }

    /** No request is under way any more. */
    public void endFlight() {
        inFlightOp = null;
        inFlight = null;
    }

    /** No worker has it any more. */
    public void endLease() {
        leaseToken = null;
        leaseUntil = null;
    }

    /** What is known of a record, as an event may leave it out: what the remote has, what the hub has, what is being sent. */
    public ObjectNode known() {
        return States.join(remoteBase, hubBase, inFlight);
    }

    /** A time as JSON has it; null when there is none. */
    public static Instant time(JsonNode row, String field) {
        var text = States.text(row, field);
        return text == null ? null : Times.parse(text);
    }

    private static ObjectNode object(JsonNode row, String field) {
        return row.path(field) instanceof ObjectNode object ? object : null;
    }

    /** The later of two times, either of which may be unknown. */
    public static Instant latest(Instant one, Instant other) {
        return one == null ? other : other == null || one.isAfter(other) ? one : other;
    }
}
