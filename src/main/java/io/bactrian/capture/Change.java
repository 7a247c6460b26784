package io.bactrian.capture;

import static java.nio.charset.StandardCharsets.UTF_8;

import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * A captured change: a row of {@code sync.outbox_claim}, whose comment explains it.
 *
 * @param target the only system that is asked to look; empty for all
 * @param changedMillis when it was made, in milliseconds since the epoch
 * @param envelope Debezium's, as JSON
 */
record Change(long id, String entity, String recordId, String op, String origin, String target, long changedMillis, String envelope) {

    /** The message: its key the record's id, its headers in the order of their names. What only asks for another look was changed at no time. */
    ProducerRecord<String, String> message() {
        var message = new ProducerRecord<>(Topics.of(entity), recordId, envelope);
        if (!op.equals("r")) {
            header(message, "changed_at", Long.toString(changedMillis));
        }
        header(message, "entity", entity);
        header(message, "op", op);
        header(message, "origin", origin);
        if (!target.isEmpty()) {
            header(message, "target", target);
        }
        return message;
    }

    private static void header(ProducerRecord<String, String> message, String name, String value) {
        message.headers().add(name, value.getBytes(UTF_8));
    }
}
