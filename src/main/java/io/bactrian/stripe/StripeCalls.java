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
import java.util.Objects;
import java.util.Optional;
import java.util.stream.StreamSupport;
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

    /** The same from Java: the answer to a call. */
    public JsonNode answer(Exchange exchange, JsonNode call) throws Exception {
        exchange.getMessage().setBody(call);
        ask(exchange);
        return json(exchange);
    }

    /**
     * Lists a page of objects, the newest first. In: body the filters; the variables resource, background, and next: what the page before said, null for the first
     * one. Out: body {data, next}, next null after the last page; the variables at, request_id.
     */
    public void list(Exchange exchange) throws Exception {
        var page = page(exchange, (ObjectNode) json(exchange), exchange.getVariable("next", String.class));
        exchange.getMessage().setBody(JSON.createObjectNode().put("next", next(page)).set("data", page.path("data")));
    }

    /**
     * Looks for the object that a create of unknown outcome may have made: by a list, because Stripe's search lags behind. Objects that name another installation
     * are not it; one that names none is, if the create may have been an older version's. In: the variables claim, resource, record_id, hub, background. Out: body
     * the object, null when there is none; the variables external_id, at, request_id.
     */
    public void find(Exchange exchange) throws Exception {
        var claim = exchange.getVariable("claim", Map.class);
        Optional<JsonNode> found;
        String next = null;
        do {
            var page = page(exchange, since((Number) claim.get("since")), next);
            found = StreamSupport.stream(page.path("data").spliterator(), false).filter(object -> isOurs(object, exchange, (String) claim.get("unnamed"))).findFirst();
            next = next(page);
        } while (found.isEmpty() && next != null);
        exchange.getMessage().setBody(found.orElse(null));
        found.ifPresent(object -> exchange.setVariable("external_id", object.path("id").asText()));
    }

    private static boolean isOurs(JsonNode object, Exchange exchange, String unnamed) {
        return object.at("/metadata/hub_id").asText("").equals(exchange.getVariable("record_id", String.class))
                && Objects.equals(object.at("/metadata/hub").asText(unnamed), exchange.getVariable("hub", String.class));
    }

    private JsonNode page(Exchange exchange, ObjectNode request, String after) throws Exception {
        return page(exchange, after == null ? request : request.put("starting_after", after));
    }

    /** Where the page after this one begins; null when there is none. */
    private static String next(JsonNode page) {
        return page.path("has_more").asBoolean() ? last(page) : null;
    }

    /** The id of the last object of a page. */
    static String last(JsonNode page) {
        return page.path("data").path(page.path("data").size() - 1).path("id").asText(null);
    }

    /** The filters for what was made since then, in seconds. */
    static ObjectNode since(Number seconds) {
        var filters = JSON.createObjectNode();
        filters.putObject("created").put("gte", seconds.longValue());
        return filters;
    }

    /** Makes the call for a page. In: the variables resource, background. Out: {data, has_more}; the variables at, request_id. */
    JsonNode page(Exchange exchange, ObjectNode request) throws Exception {
        permit(exchange);
        var message = exchange.getMessage();
        message.removeHeaders("*");
        message.setHeader(StripeHeaders.OPERATION, exchange.getVariable("resource"));
        message.setHeader(StripeHeaders.METHOD, "list");
        message.setBody(request.put("limit", PAGE));
        send("customers", exchange);
        exchange.setVariable("at", message.getHeader(StripeHeaders.DATE));
        exchange.setVariable("request_id", message.getHeader(StripeHeaders.REQUEST_ID));
        return json(exchange);
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

    static JsonNode json(Exchange exchange) throws JsonProcessingException {
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
