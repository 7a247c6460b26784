package io.bactrian.stripe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sync.Hash;
import io.bactrian.sync.Permits;
import io.bactrian.sync.RemoteSystem;
import java.util.Map;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.apache.camel.ProducerTemplate;

/** Makes the calls for which routes ask, as steps of them: with the key of the account in the variable system. Each waits for its permit. */
public final class StripeCalls implements CamelContextAware {

    private static final ObjectMapper JSON = JsonMapper.builder().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS).build();

    private static final String USUAL = "stripe";
    private static final int PAGE = 100;

    private Permits permits;
    private CamelContext camel;
    private volatile Machinery machinery;

    /** What can only be had once the routes are known. */
    private record Machinery(Map<String, RemoteSystem> systems, ProducerTemplate routes) {
    }

    public void setPermits(Permits permits) {
        this.permits = permits;
    }

    /**
     * Makes the plain call for a claimed record. In: body the request; the variables action, resource, external_id (null for a create), and those of
     * {@link #send}.
     */
    public void call(Exchange exchange) throws Exception {
        var action = exchange.getVariable("action", String.class);
        var call = JSON.createObjectNode().put("resource", exchange.getVariable("resource", String.class)).put("method", action.equals("fetch") ? "retrieve" : action)
                .put("id", exchange.getVariable("external_id", String.class));
        call.set("request", json(exchange));
        exchange.getMessage().setBody(call);
        send(exchange);
    }

    /**
     * Makes the call that a claimed record was claimed for, whatever it is. In: body as {@link #ask} takes it; the variables action, external_id,
     * idempotency_key. Out: body the answer, null when the object is gone; the variables external_id, at, stale, request_id.
     */
    public void send(Exchange exchange) throws Exception {
        var call = (ObjectNode) json(exchange);
        exchange.getMessage().setBody(call.put("key", exchange.getVariable("idempotency_key", String.class)));
        ask(exchange);
        var message = exchange.getMessage();
        exchange.setVariable("at", message.getHeader(StripeHeaders.DATE));
        exchange.setVariable("stale", message.getHeader(StripeHeaders.IDEMPOTENT_REPLAYED));
        exchange.setVariable("request_id", message.getHeader(StripeHeaders.REQUEST_ID));
        var answer = message.getBody(Map.class);
        if (exchange.getVariable("external_id") == null) {
            exchange.setVariable("external_id", answer.get("id"));
        }
        // What is deleted in part, or void instead of deleted, is gone only if that was asked for.
        var action = exchange.getVariable("action", String.class);
        if ((action.equals("delete") || Boolean.TRUE.equals(answer.get("deleted"))) && !action.equals("update")) {
            message.setBody(null);
        }
    }

    /**
     * Makes any call. In: body {resource, method, id, request, key}; the variables resource, the class of endpoints, and background. Without a key of its own a
     * call has one that is never taken for the write of a record, and is the same when it is repeated for the same claim. Whatever points to a record says which
     * installation's it is (the variable hub). Out: body the answer, and its headers.
     */
    public void ask(Exchange exchange) throws Exception {
        var call = json(exchange);
        permit(exchange);
        var message = exchange.getMessage();
        var method = call.path("method").asText(null);
        message.removeHeaders("*");
        message.setHeader(StripeHeaders.OPERATION, call.path("resource").asText(null));
        message.setHeader(StripeHeaders.METHOD, method);
        message.setHeader(StripeHeaders.OBJECT_ID, call.path("id").asText(null));
        message.setHeader(StripeHeaders.IDEMPOTENCY_KEY, call.path("key").asText(null));
        if (call.path("key").asText(null) == null && exchange.getVariable("claim") instanceof Map<?, ?> claim) {
            message.setHeader(StripeHeaders.IDEMPOTENCY_KEY, claim.get("key_prefix") + "." + method + ":" + Hash.of(call.toString()));
        }
        var request = call.path("request");
        var hub = exchange.getVariable("hub", String.class);
        if (hub != null) {
            name(request, hub);
            name(request.path("default_price_data"), hub);
        }
        message.setBody(request.isObject() ? request : null);
        send("customers", exchange);
    }

    /**
     * Lists a page of objects, the newest first. In: body the filters; the variables resource, background, and after, the id of the object before the page,
     * null for the first one. Out: body {data, has_more}; the variables at, request_id.
     */
    public void list(Exchange exchange) throws Exception {
        var request = ((ObjectNode) json(exchange)).put("limit", PAGE);
        var after = exchange.getVariable("after", String.class);
        if (after != null) {
            request.put("starting_after", after);
        }
        permit(exchange);
        var message = exchange.getMessage();
        message.removeHeaders("*");
        message.setHeader(StripeHeaders.OPERATION, exchange.getVariable("resource"));
        message.setHeader(StripeHeaders.METHOD, "list");
        message.setBody(request);
        send("customers", exchange);
        exchange.setVariable("at", message.getHeader(StripeHeaders.DATE));
        exchange.setVariable("request_id", message.getHeader(StripeHeaders.REQUEST_ID));
    }

    /** Reads the account to which the key belongs. Out: body the account. */
    public void account(Exchange exchange) throws Exception {
        exchange.getMessage().removeHeaders("*");
        exchange.getMessage().setBody(null);
        send("account?method=retrieve", exchange);
    }

    private void send(String remaining, Exchange exchange) throws Exception {
        var system = machinery().systems.get(system(exchange));
        machinery().routes.send((system == null ? USUAL : system.component()) + ":" + remaining, exchange);
        var failure = exchange.getException();
        exchange.setException(null);
        if (failure != null) {
            throw failure;
        }
    }

    private static String system(Exchange exchange) {
        return exchange.getVariable("system", USUAL, String.class);
    }

    /** Waits until Stripe may be called, and whose account it is is known. In: the variables resource, background. The body stays. */
    public void permit(Exchange exchange) throws Exception {
        var system = system(exchange);
        if (camel.getVariable("global:" + system + "_account") == null) {
            var known = machinery().routes.request("direct:know-stripe-account", one -> one.setVariable("system", system));
            if (known.getException() != null) {
                throw known.getException();
            }
        }
        permits.take(exchange, system);
    }

    private static void name(JsonNode request, String hub) {
        var hubId = request.path("metadata").path("hub_id");
        if (!hubId.isMissingNode() && !hubId.isNull()) {
            ((ObjectNode) request.get("metadata")).put("hub", hub);
        }
    }

    private static JsonNode json(Exchange exchange) throws JsonProcessingException {
        var body = exchange.getMessage().getBody();
        return body instanceof JsonNode node ? node : body instanceof Map<?, ?> map ? JSON.valueToTree(map) : JSON.readTree(exchange.getMessage().getBody(String.class));
    }

    private Machinery machinery() {
        var known = machinery;
        return known == null ? make() : known;
    }

    private synchronized Machinery make() {
        if (machinery == null) {
            machinery = new Machinery(RemoteSystem.of(camel), camel.createProducerTemplate());
        }
        return machinery;
    }

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
