package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;

/** Where webhooks go: the endpoint of the simulator's options, and those made through the API. Thread-safe. */
final class Endpoints {

    /** The id under which deliveries to the endpoint of the options are kept. */
    static final String BUILT_IN = "we_simulator";

    /**
     * @param secrets each signs, so that a receiver can rotate them
     * @param events the types it gets, or {@code *}
     */
    record Endpoint(String url, List<String> secrets, Set<String> events) {
    }

    private final Map<String, Endpoint> byId = new ConcurrentSkipListMap<>();

    /** Sets the endpoint of the options; a null URL removes it. */
    void builtIn(String url, List<String> secrets) {
        if (url == null || url.isBlank()) {
            byId.remove(BUILT_IN);
        } else {
            byId.put(BUILT_IN, new Endpoint(url, secrets, Set.of("*")));
        }
    }

    /** Takes a {@code webhook_endpoint} that was created or changed. */
    void put(ObjectNode object) {
        var events = new LinkedHashSet<String>();
        object.path("enabled_events").forEach(type -> events.add(type.asText()));
        if ("enabled".equals(Json.text(object, "status"))) {
            byId.put(Json.text(object, "id"), new Endpoint(Json.text(object, "url"), List.of(Json.text(object, "secret")), events));
        } else {
            byId.remove(Json.text(object, "id"));
        }
    }

    void remove(String id) {
        byId.remove(id);
    }

    /** The endpoint, or null when it is disabled or gone. */
    Endpoint get(String id) {
        return byId.get(id);
    }

    /** The ids of the endpoints that get events of a type. */
    Set<String> of(String type) {
        var ids = new LinkedHashSet<String>();
        byId.forEach((id, endpoint) -> {
            if (endpoint.events().contains("*") || endpoint.events().contains(type)) {
                ids.add(id);
            }
        });
        return ids;
    }
}
