package io.bactrian.sandbox.mail;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;

/**
 * A message that was caught.
 *
 * @param id as in the header {@code X-Message-Id} of the answer
 * @param from the sender's name and address, as far as given
 * @param text the part text/plain, empty when there is none
 * @param html the part text/html, empty when there is none
 */
public record Mail(String id, Instant at, String from, String to, String replyTo, String subject, String text, String html) {

    /** Reads the body of {@code POST /v3/mail/send}, which has been checked. */
    static Mail of(String id, JsonNode body) {
        var name = body.at("/from/name").asText();
        var address = body.at("/from/email").asText();
        return new Mail(id, Instant.now(), name.isEmpty() ? address : name + " <" + address + ">", body.at("/personalizations/0/to/0/email").asText(),
                body.at("/reply_to/email").asText(), body.path("subject").asText(), content(body, "text/plain"), content(body, "text/html"));
    }

    private static String content(JsonNode body, String type) {
        for (var part : body.path("content")) {
            if (part.path("type").asText().equals(type)) {
                return part.path("value").asText();
            }
        }
        return "";
    }
}
