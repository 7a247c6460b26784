package io.bactrian.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.state.States;
import java.util.ArrayList;
import java.util.List;

/**
 * What another system said of one of its objects, in the hub's terms.
 *
 * @param fields that the integration syncs, {@code policy} who decides them
 * @param event an object:
 *
 *     <ul>
 *       <li>{@code id}: the event's id in its system; {@code type}: its type there, for the ledger
 *       <li>{@code at}: seconds since the epoch, by the system's clock
 *       <li>{@code external_id}: the object it is about
 *       <li>{@code hub_id}: the record that the object points to, if any: a hint, not an identity; {@code hub}: the installation whose record that is, if it says so: only ours
 *           counts
 *       <li>{@code key}: the idempotency key of the request that caused it, if any
 *       <li>{@code deleted}: true when the object is gone
 *       <li>{@code made}: when the object was made, if the event tells. A record of an object that is a day older than the event, or that a reconcile found, is an import: it is
 *           new here only
 *       <li>{@code hint}: true when it only says that something happened: the object is read; {@code object}: its kind there
 *       <li>{@code partial}: true when it does not tell the object whole: what {@code remote} leaves out is as it was; {@code look}: true when that may have changed, too, and is
 *           to be read. An object without a record here is only a hint then
 *       <li>{@code read}: true when that was done, and {@code remote} is what was read
 *     </ul>
 * @param remote JSON, the object in canonical form, which names other objects, and its parts, as their system does; null when it is gone, or only a hint came
 * @param previous the same before the event; null when that is not told
 * @param error why it could not be brought into canonical form, null when it could. Once that is mended, its object is read
 * @param again whether it came before, was kept, and is applied now; {@code waited} whether it was for an object that was not there
 */
public record InboundEvent(String system, String entity, List<String> fields, String policy, ObjectNode event, String remote, String previous, String error, boolean again,
        boolean waited) {

    /** One that comes for the first time. */
    public InboundEvent(String system, String entity, List<String> fields, String policy, ObjectNode event, String remote, String previous, String error) {
        this(system, entity, fields, policy, event, remote, previous, error, false, false);
    }

    /** From what {@link #kept} made. */
    static InboundEvent again(String system, String entity, String kept, boolean waited) {
        try {
            var all = States.parse(kept);
            var fields = new ArrayList<String>();
            all.path("fields").forEach(field -> fields.add(field.asText()));
            return new InboundEvent(system, entity, fields, States.text(all, "policy"), States.parse(all.get("event").asText()), States.text(all, "remote"),
                    States.text(all, "previous"), States.text(all, "error"), true, waited); // an older version kept errors
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("sync.event holds no event", e);
        }
    }

    /** What the ledger keeps, to apply it again. Of one that could not be mapped the object is read, and mapped anew. */
    ObjectNode kept() {
        var kept = States.empty().put("policy", policy);
        fields.forEach(kept.putArray("fields")::add);
        return error != null ? kept.put("event", hint().event.toString())
                : kept.put("event", event.toString()).put("remote", remote).put("previous", previous);
    }

    /** The same as a hint that something happened to the object. */
    InboundEvent hint() {
        return new InboundEvent(system, entity, fields, policy, States.without(event, List.of("partial", "look", "read")).put("hint", true), null, null, null, again, waited);
    }

    String id() {
        return States.text(event, "id");
    }

    String externalId() {
        return States.text(event, "external_id");
    }

    boolean is(String flag) {
        return event.path(flag).asBoolean();
    }

    /** Objects that are the same have the same. */
    String object() {
        return system + "/" + entity + "/" + externalId();
    }
}
