package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * One call's changes: objects and their events, which {@link Account#commit} writes together or not at all. Used under the account's lock.
 */
final class Transaction {

    /** An event to be written; {@code previous} is null for anything but an update. */
    record PendingEvent(String type, JsonNode object, ObjectNode previous) {
    }

    final String requestId;
    final String idempotencyKey;
    final long now;
    final Map<String, ObjectNode> saved = new LinkedHashMap<>();
    final Map<String, ObjectNode> removed = new LinkedHashMap<>();
    final List<PendingEvent> events = new ArrayList<>();
    private final Account account;

    /**
     * @param requestId the id of the call, {@code req_…}
     * @param idempotencyKey the caller's key, or null
     * @param now epoch seconds
     */
    Transaction(Account account, String requestId, String idempotencyKey, long now) {
        this.account = account;
        this.requestId = requestId;
        this.idempotencyKey = idempotencyKey;
        this.now = now;
    }

    /** A copy of an object as this transaction sees it, or null when there is none, or only its tombstone. */
    ObjectNode find(String id) {
        if (removed.containsKey(id)) {
            return null;
        }
        var mine = saved.get(id);
        return mine != null ? mine.deepCopy() : account.live(id);
    }

    /**
     * A copy of an object.
     *
     * @throws ApiError 404 when there is none
     */
    ObjectNode get(Resource resource, String id) {
        var object = find(id);
        if (object == null || !resource.object().equals(Json.text(object, "object"))) {
            throw ApiError.missing(404, resource.object(), id, "id");
        }
        return object;
    }

    /** All objects of a resource whose field has a value, oldest first, as this transaction sees them. */
    List<ObjectNode> where(Resource resource, String field, String value) {
        var ids = new ArrayList<>(account.idsWhere(resource, field, value));
        saved.values().stream().filter(object -> resource.object().equals(Json.text(object, "object")))
                .map(object -> Json.text(object, "id")).filter(id -> !ids.contains(id)).forEach(ids::add);
        return ids.stream().map(this::find).filter(object -> object != null && value.equals(Json.text(object, field))).toList();
    }

    /** Creates an object and its {@code created} event. */
    ObjectNode create(Resource resource, ObjectNode object) {
        save(object);
        announce(resource, "created", object, null);
        return object;
    }

    /**
     * Saves an object and its {@code updated} event, unless nothing changed. {@code previous_attributes} tells what changed of what is shown, and so
     * is empty when only a later line than the tenth of an invoice did.
     */
    ObjectNode update(Resource resource, ObjectNode object) {
        var before = find(Json.text(object, "id"));
        var previous = Diff.previous(before, object);
        if (!previous.isEmpty()) {
            save(object);
            announce(resource, "updated", object, resource.view() == null ? previous : Diff.previous(resource.shown(before), resource.shown(object.deepCopy())));
        }
        return object;
    }

    /** Removes an object, with its {@code deleted} event. */
    void delete(Resource resource, ObjectNode object) {
        var id = Json.text(object, "id");
        saved.remove(id);
        removed.put(id, object);
        announce(resource, "deleted", object, null);
    }

    /** Adds an event of a type of its own. */
    void event(Resource resource, String what, ObjectNode object) {
        events.add(new PendingEvent(resource.eventPrefix() + "." + what, resource.shown(object.deepCopy()), null));
    }

    /** Saves an object, as it is now, without an event. */
    void save(ObjectNode object) {
        saved.put(Json.text(object, "id"), object.deepCopy());
    }

    private void announce(Resource resource, String what, ObjectNode object, ObjectNode previous) {
        if (resource.events().contains(what)) {
            events.add(new PendingEvent(resource.eventPrefix() + "." + what, resource.shown(object.deepCopy()), previous));
        }
    }
}
