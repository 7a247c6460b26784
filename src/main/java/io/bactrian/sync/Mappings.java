package io.bactrian.sync;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.StreamSupport;
import org.apache.camel.CamelContext;
import org.apache.camel.Endpoint;
import org.apache.camel.Exchange;
import org.apache.camel.Expression;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.support.DefaultExchange;

/**
 * Maps objects of other systems to the columns of rows, by the route {@code direct:<mappings>-to-hub}. That calls nobody: what an object does not tell whole, and
 * the integration says so in {@code untold}, is read before by {@code direct:complete-<mappings>}, where a worker has the object; an event goes without.
 */
final class Mappings {

    private static final String ALL_TOLD = "[]";

    private final Map<String, Expression> untold = new ConcurrentHashMap<>();
    private final CamelContext camel;
    private final Map<String, Endpoint> endpoints = new ConcurrentHashMap<>();
    private final ProducerTemplate routes;

    Mappings(CamelContext camel) {
        this.camel = camel;
        routes = camel.createProducerTemplate();
    }

    /** Which keys of an object are not told whole. */
    List<String> untold(Integration integration, JsonNode object) {
        var exchange = new DefaultExchange(camel);
        exchange.getMessage().setBody(object);
        return untold(integration, exchange);
    }

    private List<String> untold(Integration integration, Exchange exchange) {
        if (integration.untold().equals(ALL_TOLD)) {
            return List.of();
        }
        var keys = untold.computeIfAbsent(integration.untold(), this::expression).evaluate(exchange, JsonNode.class);
        return StreamSupport.stream(keys.spliterator(), false).map(JsonNode::asText).toList();
    }

    private Expression expression(String jq) {
        var expression = camel.resolveLanguage("jq").createExpression(jq);
        expression.init(camel);
        return expression;
    }

    /** Maps the object in the body, completed if need be: its variables go to the routes. */
    void toHub(Integration integration, Exchange exchange) throws Exception {
        complete(integration, exchange);
        send(integration.mappings() + "-to-hub", exchange);
    }

    /** Completes the object in the body, if need be. */
    void complete(Integration integration, Exchange exchange) throws Exception {
        if (!untold(integration, exchange).isEmpty()) {
            send("complete-" + integration.mappings(), exchange);
        }
    }

    /** Maps an object as it was told: columns that it does not tell are left out. */
    String told(Integration integration, JsonNode object) throws Exception {
        if (object == null) {
            return null;
        }
        var exchange = new DefaultExchange(camel);
        exchange.getMessage().setBody(object);
        exchange.setVariable("system", integration.system());
        exchange.setVariable("entity", integration.entity());
        exchange.setVariable("resource", integration.resource());
        exchange.setVariable("background", "false");
        send(integration.mappings() + "-to-hub", exchange);
        return exchange.getMessage().getBody(String.class);
    }

    /** Sends to a route, which fails as it does. */
    void send(String route, Exchange exchange) throws Exception {
        routes.send(endpoints.computeIfAbsent(route, name -> camel.getEndpoint("direct:" + name + "?block=false")), exchange);
        var failure = exchange.getException();
        exchange.setException(null);
        exchange.setRouteStop(false);
        if (failure != null) {
            throw failure;
        }
    }
}
