package io.bactrian.sync;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.store.Events;
import java.sql.SQLException;
import java.time.Duration;

/** The SQL functions of one sync as its routes call them: customers with a system named stripe. */
final class Hub {

    static final ObjectMapper JSON = new ObjectMapper();
    static final String FIELDS = "{" + String.join(",", ModelRemote.FIELDS) + "}";

    /** What a claim answered. */
    record Claim(String recordId, String action, Long token, String externalId, String keyPrefix, ObjectNode record, ObjectNode base) {
    }

    final Sql sql;
    String policy = "newest";
    /** How long locks are waited for. */
    Duration patience = Duration.ofSeconds(5);

    Hub(Sql sql) {
        this.sql = sql;
    }

    /** What begins the idempotency keys of a customer's writes, the revision and a hash of the request follow. */
    String key(String rest) throws SQLException {
        return "bactrian:" + installation() + ":customers:" + rest;
    }

    String installation() throws SQLException {
        return sql.text("select sync.hub()");
    }

    Claim claim(String recordId) throws SQLException {
        var row = Writes.claim(sql, "stripe", "customers", recordId, FIELDS, "1 hour", null, "off");
        return new Claim(recordId, (String) row.get("action"), (Long) row.get("token"), (String) row.get("external_id"),
                (String) row.get("key_prefix"), object(row.get("record")), object(row.get("base")));
    }

    String settle(Claim claim, ModelRemote.Answer answer) throws SQLException {
        return Writes.settle(sql, patience, "stripe", "customers", claim.recordId, claim.token, answer.id(), text(answer.state()), answer.at(), answer.replayed(), FIELDS, policy);
    }

    /** A call that failed: refused for good, or with an outcome that nobody knows. */
    String fail(Claim claim, boolean refused) throws SQLException {
        return Writes.fail(sql, "stripe", "customers", claim.recordId, claim.token, refused ? "permanent" : "transient", false, false, "test", "a test made it fail", null, null);
    }

    String apply(ModelRemote.Event event) throws SQLException {
        var json = JSON.createObjectNode();
        json.put("id", event.id());
        json.put("type", "customer." + event.type());
        json.put("at", event.at());
        json.put("key", event.key());
        json.put("external_id", event.thing().id());
        json.put("hub_id", event.thing().hubId());
        json.put("hub", event.thing().hubId() == null ? null : installation());
        json.put("deleted", event.type().equals("deleted"));
        return Events.apply(sql, patience, "customers", json.toString(), text(event.thing().state()), text(event.previous()), null, FIELDS, policy);
    }

    static ObjectNode object(Object json) {
        try {
            return json == null ? null : (ObjectNode) JSON.readTree(json.toString());
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    private static String text(ObjectNode node) {
        return node == null ? null : node.toString();
    }
}
