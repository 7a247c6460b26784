package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What happens at once: one line of the journal.
 *
 * @param puts objects, tombstones and events, new or changed
 * @param removed ids of objects of which nothing is left
 * @param owed the endpoints that are to get each new event
 * @param settlements deliveries that ended
 * @param kept the answer kept under an idempotency key, or null
 */
record Commit(List<Stored> puts, List<String> removed, Map<String, Set<String>> owed, List<Settlement> settlements, IdempotencyKeys.Kept kept) {

    /** The end of a delivery: the endpoint has the event, or will never get it. */
    record Settlement(String event, String endpoint, boolean delivered) {
    }

    boolean isEmpty() {
        return puts.isEmpty() && removed.isEmpty() && settlements.isEmpty() && kept == null;
    }

    byte[] toLine() {
        var line = Json.MAPPER.createObjectNode();
        if (!puts.isEmpty()) {
            var array = line.putArray("put");
            for (var put : puts) {
                var entry = array.addObject().put("sequence", put.sequence()).put("resource", put.resource().path());
                entry.putRawValue("object", raw(put.json()));
                if (owed.containsKey(put.id())) {
                    var endpoints = entry.putArray("owed");
                    owed.get(put.id()).forEach(endpoints::add);
                }
            }
        }
        if (!removed.isEmpty()) {
            var array = line.putArray("removed");
            removed.forEach(array::add);
        }
        if (!settlements.isEmpty()) {
            line.set("settled", Json.MAPPER.valueToTree(settlements));
        }
        if (kept != null) {
            var answer = kept.answer();
            line.putObject("kept").put("key", kept.key()).put("endpoint", kept.endpoint()).put("time", kept.time())
                    .put("status", answer.status()).put("request", answer.requestId())
                    .<ObjectNode>set("params", Json.MAPPER.valueToTree(kept.params()))
                    .putRawValue("body", raw(answer.body()));
        }
        return Json.bytes(line);
    }

    static Commit fromLine(JsonNode line) {
        var puts = new ArrayList<Stored>();
        var owed = new java.util.HashMap<String, Set<String>>();
        for (var entry : line.path("put")) {
            var stored = Stored.of(entry.path("sequence").asLong(), Resources.ofPath(entry.path("resource").asText()), (ObjectNode) entry.get("object"));
            puts.add(stored);
            if (entry.has("owed")) {
                owed.put(stored.id(), new LinkedHashSet<>(texts(entry.get("owed"))));
            }
        }
        var settlements = new ArrayList<Settlement>();
        for (var entry : line.path("settled")) {
            settlements.add(new Settlement(Json.text(entry, "event"), Json.text(entry, "endpoint"), entry.path("delivered").asBoolean()));
        }
        return new Commit(puts, texts(line.path("removed")), owed, settlements, kept(line.path("kept")));
    }

    private static IdempotencyKeys.Kept kept(JsonNode kept) {
        if (kept.isMissingNode()) {
            return null;
        }
        var params = Json.MAPPER.convertValue(kept.get("params"), new com.fasterxml.jackson.core.type.TypeReference<Map<String, Object>>() { });
        var answer = new Answer(kept.path("status").asInt(), Json.bytes(kept.get("body")), Json.text(kept, "request"), Map.of());
        return new IdempotencyKeys.Kept(Json.text(kept, "key"), Json.text(kept, "endpoint"), params, answer, kept.path("time").asLong());
    }

    private static List<String> texts(JsonNode array) {
        var texts = new ArrayList<String>();
        array.forEach(text -> texts.add(text.asText()));
        return texts;
    }

    private static RawValue raw(byte[] json) {
        return new RawValue(new String(json, StandardCharsets.UTF_8));
    }
}
