package io.bactrian;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.component.kafka.KafkaConstants;
import org.apache.camel.support.DefaultMessage;

/** Turns a batch of the outbox into the messages of one batched Kafka send, without an exchange per change. */
public final class ChangeMessages {

    private Topics topics;

    /** The topic of an entity's changes. */
    public static String topic(String entity) {
        return "changes." + entity;
    }

    /**
     * Makes one message per row of {@code sync.outbox_claim}: its body the envelope, its key the record's id, its headers entity, op, origin
     * and target, and changed_at, in milliseconds since the epoch, unless it only asks for another look. Creates the topic of a table that has been tracked since the start. Sets the variables {@code changes} to the number of
     * messages, and {@code acknowledged} to the ids, spelled as a Postgres array, for when Kafka has them.
     *
     * @param rows what {@code sync.outbox_claim} returned; a row without id is no change
     * @throws org.apache.kafka.common.KafkaException when a topic is to be created, and the broker is away or refuses
     */
    public List<Message> toKafka(List<Map<String, Object>> rows, Exchange exchange) {
        var messages = new ArrayList<Message>(rows.size());
        var ids = new StringJoiner(",", "{", "}");
        for (var row : rows) {
            if (row.get("id") == null) {
                continue;
            }
            ids.add(row.get("id").toString());
            var entity = (String) row.get("entity");
            var message = new DefaultMessage(exchange);
            message.setBody(row.get("envelope"));
            message.setHeader(KafkaConstants.OVERRIDE_TOPIC, topics.ensure(entity));
            message.setHeader(KafkaConstants.KEY, row.get("record_id"));
            message.setHeader("entity", entity);
            message.setHeader("op", row.get("op"));
            message.setHeader("origin", row.get("origin"));
            if (!"".equals(row.get("target"))) {
                message.setHeader("target", row.get("target"));
            }
            if (!"r".equals(row.get("op"))) {
                message.setHeader("changed_at", row.get("changed_ms").toString());
            }
            messages.add(message);
        }
        exchange.setVariable("changes", messages.size());
        exchange.setVariable("acknowledged", ids.toString());
        return messages;
    }

    /** What creates topics. */
    public void setTopics(Topics topics) {
        this.topics = topics;
    }
}
