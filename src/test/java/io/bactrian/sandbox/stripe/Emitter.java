package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Set;

/**
 * Sends events that no call here causes: of a connected account, of the other mode, of another API version, and thin ones.
 *
 * @see <a href="https://docs.stripe.com/connect/webhooks">Connect webhooks</a>, whose events have {@code account}
 * @see <a href="https://docs.stripe.com/api/v2/core/events/object">Thin events</a>
 */
final class Emitter {

    private static final Set<String> FIELDS = Set.of("type", "object", "previous_attributes", "account", "livemode", "api_version", "created", "listed", "thin", "related_object", "idempotency_key");

    private final Account account;

    Emitter(Account account) {
        this.account = account;
    }

    /**
     * Sends one event to every endpoint that takes its type, and returns it as it is sent.
     *
     * @param fields {@code type}; {@code object}, a JSON object or the id of one here; and, if wanted, {@code previous_attributes}, {@code account},
     *               {@code livemode} (false), {@code api_version} (the account's), {@code created} (now), {@code idempotency_key}, {@code listed}: whether
     *               {@code /v1/events} shows it, which a test key's does not for a live event or another account's. With {@code thin} true it is a
     *               {@code v2.core.event}, with {@code related_object} as given
     * @throws IllegalArgumentException when something in it makes no sense
     */
    ObjectNode emit(ObjectNode fields) {
        fields.fieldNames().forEachRemaining(name -> {
            if (!FIELDS.contains(name)) {
                throw new IllegalArgumentException("An event has no " + name + " here");
            }
        });
        if (!fields.path("type").isTextual()) {
            throw new IllegalArgumentException("type: an event needs one, such as customer.updated");
        }
        return fields.path("thin").asBoolean() ? thin(fields) : snapshot(fields);
    }

    private ObjectNode snapshot(ObjectNode fields) {
        var version = fields.path("api_version").asText(account.apiVersion());
        if (!ApiVersion.KNOWN.contains(version)) {
            throw new IllegalArgumentException("api_version: known are " + String.join(", ", ApiVersion.KNOWN));
        }
        var event = Json.MAPPER.createObjectNode().put("id", Ids.longId("evt_")).put("object", "event").put("api_version", version)
                .put("created", fields.path("created").asLong(account.now()));
        var data = event.putObject("data");
        data.set("object", fields.path("object") instanceof ObjectNode object ? object : existing(fields.path("object").asText()));
        if (fields.has("previous_attributes")) {
            data.set("previous_attributes", fields.get("previous_attributes"));
        }
        event.put("livemode", fields.path("livemode").asBoolean()).put("pending_webhooks", account.endpoints.of(fields.get("type").asText()).size());
        event.putObject("request").putNull("id").put("idempotency_key", Json.text(fields, "idempotency_key"));
        event.put("type", fields.get("type").asText());
        if (fields.has("account")) {
            event.put("account", fields.get("account").asText());
        }
        var listed = fields.path("listed").asBoolean(!fields.has("account") && !fields.path("livemode").asBoolean());
        return account.emit(event, listed);
    }

    private ObjectNode thin(ObjectNode fields) {
        var event = Json.MAPPER.createObjectNode().put("id", Ids.longId("evt_test_")).put("object", "v2.core.event").put("type", fields.get("type").asText())
                .put("livemode", fields.path("livemode").asBoolean()).put("created", Instant.ofEpochSecond(account.now()).plus(1, ChronoUnit.MILLIS).toString())
                .putNull("reason");
        event.set("related_object", fields.has("related_object") ? fields.get("related_object") : Json.MAPPER.nullNode());
        if (fields.has("account")) {
            event.put("context", fields.get("account").asText());
        }
        return account.emit(event, false);
    }

    private ObjectNode existing(String id) {
        var object = account.live(id);
        if (object == null) {
            throw new IllegalArgumentException("object: there is no object " + id + ", and it is no JSON object either");
        }
        return Resources.ofObject(Json.text(object, "object")).shown(object);
    }
}
