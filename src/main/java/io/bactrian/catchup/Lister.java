package io.bactrian.catchup;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.bactrian.sync.Failures;
import io.bactrian.sync.Inbound;
import io.bactrian.sync.Integration;
import java.util.ArrayList;
import org.apache.camel.Exchange;

/**
 * Lists the objects of other systems, by the route {@code direct:list-<prefix>}, and maps each to a row. That route gets the body <code>{}</code> and the variables
 * resource, background, and next: what it said with the page before, null for the first page. Its answer is {@code {data, next}}, each object with {@code id};
 * the variable at.
 */
final class Lister {

    private static final ObjectMapper JSON = JsonMapper.builder().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS).build();

    private final Routes routes;
    private final Inbound inbound;
    private final Failures failures;

    Lister(Routes routes, Inbound inbound, Failures failures) {
        this.routes = routes;
        this.inbound = inbound;
        this.failures = failures;
    }

    /** Reads the page that begins there. */
    Listing list(Integration integration, String next) throws Exception {
        var exchange = exchange(integration);
        exchange.setVariable("next", next);
        routes.send("list-" + integration.prefix(), exchange);
        var page = exchange.getMessage().getBody(JsonNode.class);
        var objects = new ArrayList<String>();
        for (var object : page.path("data")) {
            objects.add(line(integration, object));
        }
        return new Listing(objects, page.path("next").asText(null), exchange.getVariable("at", Double.class));
    }

    private String line(Integration integration, JsonNode object) throws Exception {
        var line = JSON.createObjectNode().put("id", object.path("id").asText(null))
                .put("hub_id", word(object, integration.pointer()))
                .put("hub", word(object, integration.hubPointer()));
        try {
            line.set("state", map(integration, object));
        } catch (Exception e) {
            var refusal = failures.refusal(integration.system(), e);
            if (refusal.isDenied()) {
                throw e;
            } else if (failures.passes(e) || refusal.mayPass()) {
                throw new IllegalStateException("what the mapping needs cannot be read at present", e);
            }
            line.put("error", "the route " + integration.mappings() + "-to-hub cannot map this object to a row");
        }
        return line.toString();
    }

    private JsonNode map(Integration integration, JsonNode object) throws Exception {
        var exchange = exchange(integration);
        exchange.getMessage().setBody(object);
        inbound.map(exchange);
        var state = exchange.getMessage().getBody(String.class);
        return state == null ? null : JSON.readTree(state);
    }

    /** Of its own for each object: what the mapping of one keeps for itself is nothing to the others. */
    private Exchange exchange(Integration integration) {
        var exchange = routes.exchange(integration.system());
        exchange.setVariable("entity", integration.entity());
        exchange.setVariable("resource", integration.resource());
        return exchange;
    }

    /** The text or number in a place such as {@code metadata.hub_id}; null when there is none. */
    private static String word(JsonNode object, String place) {
        var found = object;
        for (var key : place.split("[.]")) {
            found = found.path(key);
        }
        return found.isTextual() || found.isNumber() ? found.asText() : null;
    }
}
