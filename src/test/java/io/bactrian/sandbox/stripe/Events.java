package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Events, as {@code GET /v1/events} shows them and webhooks carry them.
 *
 * @see <a href="https://docs.stripe.com/api/events/object">The event object</a>
 */
final class Events {

    /** The API version that stripe-java 33.3 pins, and so the one of all objects here. */
    static final String API_VERSION = "2026-07-29.dahlia";

    private Events() {
    }

    /** An event as it is kept: in the present spelling, whatever version it names. See {@link ApiVersion}. */
    static ObjectNode event(Transaction tx, Transaction.PendingEvent pending, String apiVersion, int endpoints) {
        var event = Json.MAPPER.createObjectNode()
                .put("id", Ids.longId("evt_"))
                .put("object", "event")
                .put("api_version", apiVersion)
                .put("created", tx.now);
        var data = event.putObject("data").set("object", pending.object());
        if (pending.previous() != null) {
            ((ObjectNode) data).set("previous_attributes", pending.previous());
        }
        event.put("livemode", false).put("pending_webhooks", endpoints);
        event.putObject("request").put("id", tx.requestId).put("idempotency_key", tx.idempotencyKey);
        return event.put("type", pending.type());
    }

    /** Whether a time is what {@code created=…} or {@code created[gte]=…} asks for; anything is when nothing is asked. */
    static boolean within(long created, JsonNode asked) {
        if (asked.isNumber()) {
            return created == asked.asLong();
        }
        return created > asked.path("gt").asLong(Long.MIN_VALUE) && created >= asked.path("gte").asLong(Long.MIN_VALUE)
                && created < asked.path("lt").asLong(Long.MAX_VALUE) && created <= asked.path("lte").asLong(Long.MAX_VALUE);
    }
}
