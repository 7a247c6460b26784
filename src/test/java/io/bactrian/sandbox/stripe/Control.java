package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;

/**
 * {@code /simulator/…}: what tests and the page do with the simulator itself, as JSON.
 *
 * <table>
 * <caption>Calls</caption>
 * <tr><td>GET, POST, DELETE {@code /simulator/faults}</td><td>show, change, clear the faults</td></tr>
 * <tr><td>GET, DELETE {@code /simulator/calls}</td><td>the API calls that came in, newest first; forget them</td></tr>
 * <tr><td>GET {@code /simulator/state}</td><td>counts, newest events and deliveries</td></tr>
 * <tr><td>GET, POST {@code /simulator/dashboard/customers}</td><td>search; create</td></tr>
 * <tr><td>GET, POST, DELETE {@code /simulator/dashboard/customers/{id}}</td><td>show, edit, delete one</td></tr>
 * </table>
 */
final class Control {

    private static final int NEWEST = 30;

    /** A request that is refused. */
    static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;
        final int status;
        final String param;

        /** @param param the name of the field that is wrong, or null */
        Refused(int status, String message, String param) {
            super(message, null, false, false);
            this.status = status;
            this.param = param;
        }
    }

    private final StripeSimulator simulator;
    private final Account account;
    private final Webhooks webhooks;
    private final CallLog calls;

    Control(StripeSimulator simulator, Account account, Webhooks webhooks, CallLog calls) {
        this.simulator = simulator;
        this.account = account;
        this.webhooks = webhooks;
        this.calls = calls;
    }

    /**
     * Answers a call.
     *
     * @param query the query parameters
     * @param body JSON, or empty
     * @throws Refused when it cannot be done
     */
    JsonNode call(String method, String path, Map<String, Object> query, byte[] body) {
        var parts = List.of(path.substring("/simulator/".length()).split("/"));
        try {
            return switch (method + " " + parts.get(0) + " " + parts.size()) {
                case "GET faults 1" -> simulator.faults().toJson();
                case "POST faults 1" -> changeFaults(json(body));
                case "DELETE faults 1" -> simulator.faults().clear().toJson();
                case "GET calls 1" -> calls(number(query, "limit", 100));
                case "DELETE calls 1" -> clearCalls();
                case "GET state 1" -> state();
                case "GET dashboard 2" -> search(query);
                case "POST dashboard 2" -> simulator.dashboard().createCustomer(fields(body));
                case "GET dashboard 3" -> simulator.dashboard().customer(parts.get(2));
                case "POST dashboard 3" -> simulator.dashboard().updateCustomer(parts.get(2), fields(body));
                case "DELETE dashboard 3" -> simulator.dashboard().deleteCustomer(parts.get(2));
                default -> throw new Refused(404, "There is no " + method + " " + path, null);
            };
        } catch (IllegalArgumentException e) {
            throw e.getCause() instanceof ApiError error ? new Refused(error.status, error.getMessage(), error.param) : new Refused(400, e.getMessage(), null);
        }
    }

    private JsonNode changeFaults(JsonNode change) {
        simulator.faults().change(change);
        return simulator.faults().toJson();
    }

    private JsonNode calls(int limit) {
        var all = calls.all();
        var array = Json.MAPPER.createArrayNode();
        for (var i = all.size() - 1; i >= Math.max(0, all.size() - limit); i--) {
            var call = all.get(i);
            var entry = array.addObject().put("time", call.time().toString()).put("method", call.method()).put("path", call.path());
            entry.set("params", Json.MAPPER.valueToTree(call.params()));
            entry.put("idempotency_key", call.idempotencyKey()).put("status", call.status()).put("replayed", call.replayed())
                    .put("answered", call.answered()).put("request_id", call.requestId());
        }
        return array;
    }

    private JsonNode clearCalls() {
        simulator.clearApiCalls();
        return Json.MAPPER.createObjectNode();
    }

    private JsonNode state() {
        var state = Json.MAPPER.createObjectNode();
        synchronized (account) {
            state.put("version", account.version());
            var objects = state.putObject("objects");
            Resources.ALL.forEach(resource -> objects.put(resource.path(), account.count(resource)));
            var events = state.putArray("events");
            account.list(Resources.EVENTS, Json.MAPPER.createObjectNode(), NEWEST, null, null).items().forEach(event -> events.add(Json.object(event)));
        }
        state.put("webhooks_idle", webhooks.idle()).set("deliveries", webhooks.toJson(NEWEST));
        return state;
    }

    /** Customers whose id, name, email, phone or description has the text {@code q}, newest first. */
    private JsonNode search(Map<String, Object> query) {
        var page = account.search(Resources.CUSTOMERS, String.valueOf(query.getOrDefault("q", "")), List.of("id", "name", "email", "phone", "description"),
                number(query, "limit", 20), number(query, "offset", 0));
        var answer = Json.MAPPER.createObjectNode().put("has_more", page.more());
        var data = answer.putArray("data");
        page.items().forEach(customer -> data.add(Json.object(customer)));
        return answer;
    }

    private static int number(Map<String, Object> query, String name, int otherwise) {
        var value = query.get(name);
        return value == null ? otherwise : Integer.parseInt(value.toString());
    }

    private static Map<String, Object> fields(byte[] body) {
        return Json.MAPPER.convertValue(json(body), new TypeReference<>() { });
    }

    private static ObjectNode json(byte[] body) {
        try {
            if (Json.MAPPER.readTree(body) instanceof ObjectNode object) {
                return object;
            }
        } catch (IOException e) {
            throw new Refused(400, "The body is not JSON", null);
        }
        throw new Refused(400, "The body must be a JSON object", null);
    }
}
