package io.bactrian.routes;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.stripe.net.Webhook;
import io.bactrian.TestServices;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Instant;

/** A recorded event of Stripe's, to be changed, signed and sent. */
record StripeEvent(ObjectNode json) {

    private static final ObjectMapper JSON = new ObjectMapper();

    /** The event in {@code stripe-events/<name>.json}, with an id of its own. */
    static StripeEvent recorded(String name) {
        try {
            var json = (ObjectNode) JSON.readTree(Files.readString(Path.of("src/test/resources/stripe-events", name + ".json")));
            json.put("id", TestServices.name("evt_test"));
            return new StripeEvent(json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The same event about another object. */
    StripeEvent about(String objectId) {
        return with("/data/object", "id", objectId);
    }

    /** The same event with a value set in the object that a JSON pointer finds. */
    StripeEvent with(String parent, String name, Object value) {
        var copy = json.deepCopy();
        ((ObjectNode) copy.at(parent)).set(name, JSON.valueToTree(value));
        return new StripeEvent(copy);
    }

    /** The same event without a value. */
    StripeEvent without(String parent, String name) {
        var copy = json.deepCopy();
        ((ObjectNode) copy.at(parent)).remove(name);
        return new StripeEvent(copy);
    }

    /** So many bytes that are a valid event. */
    StripeEvent padded(int bytes) {
        var padded = with("", "padding", "");
        return padded.with("", "padding", "x".repeat(bytes - padded.text().getBytes(StandardCharsets.UTF_8).length));
    }

    String id() {
        return json.path("id").asText();
    }

    String objectId() {
        return json.at("/data/object/id").asText();
    }

    String text() {
        try {
            return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(json);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    /** The header {@code Stripe-Signature} for a body that is sent now. */
    static String signature(String body, String... secrets) {
        return signature(Instant.now().getEpochSecond(), body, secrets);
    }

    /** The header {@code Stripe-Signature}, by Stripe's own library; {@code time} is in epoch seconds. */
    static String signature(long time, String body, String... secrets) {
        var header = new StringBuilder("t=").append(time);
        for (var secret : secrets) {
            try {
                header.append(",v1=").append(Webhook.Util.computeHmacSha256(secret, time + "." + body));
            } catch (GeneralSecurityException e) {
                throw new AssertionError(e);
            }
        }
        return header.toString();
    }
}
