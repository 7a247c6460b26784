package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * {@code /simulator/…}: what tests and the page do with the simulator itself, as JSON.
 *
 * <table>
 * <caption>Calls</caption>
 * <tr><td>GET, POST, DELETE {@code /simulator/faults}</td><td>show, change, clear the faults</td></tr>
 * <tr><td>GET, DELETE {@code /simulator/calls}</td><td>the API calls that came in, newest first; forget them</td></tr>
 * <tr><td>GET, POST {@code /simulator/account}</td><td>its id and default API version</td></tr>
 * <tr><td>GET, POST, DELETE {@code /simulator/permissions}</td><td>show, change, clear what the keys may do</td></tr>
 * <tr><td>POST {@code /simulator/events}</td><td>send an event that no call here causes: see {@link Emitter}</td></tr>
 * <tr><td>GET {@code /simulator/state}</td><td>counts, newest events and deliveries</td></tr>
 * <tr><td>GET, POST {@code /simulator/dashboard/customers}</td><td>search; create</td></tr>
 * <tr><td>GET, POST, DELETE {@code /simulator/dashboard/customers/{id}}</td><td>show, edit, delete one</td></tr>
 * <tr><td>the same for {@code invoices} and {@code products}</td><td>as {@link Dashboard} has it</td></tr>
 * <tr><td>POST {@code /simulator/dashboard/invoices/{id}/finalize}, {@code pay}, {@code void}, {@code mark_uncollectible}</td><td>as named</td></tr>
 * <tr><td>POST {@code /simulator/dashboard/invoices/{id}/lines}</td><td>add a line to a draft</td></tr>
 * <tr><td>POST, DELETE {@code /simulator/dashboard/invoices/{id}/lines/{item}}</td><td>change, remove it</td></tr>
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
            if (parts.get(0).equals("dashboard") && parts.size() > 1) {
                return dashboard(method, path, parts.subList(1, parts.size()), query, body);
            }
            return switch (method + " " + parts.get(0) + " " + parts.size()) {
                case "GET faults 1" -> simulator.faults().toJson();
                case "POST faults 1" -> changeFaults(json(body));
                case "DELETE faults 1" -> simulator.faults().clear().toJson();
                case "GET calls 1" -> calls(number(query, "limit", 100));
                case "DELETE calls 1" -> clearCalls();
                case "GET account 1" -> identity();
                case "POST account 1" -> changeIdentity(json(body));
                case "GET permissions 1" -> simulator.access().toJson();
                case "POST permissions 1" -> changeAccess(json(body));
                case "DELETE permissions 1" -> simulator.access().clear().toJson();
                case "POST events 1" -> simulator.emit(json(body));
                case "GET state 1" -> state();
                default -> throw unknown(method, path);
            };
        } catch (IllegalArgumentException e) {
            throw e.getCause() instanceof ApiError error ? new Refused(error.status, error.getMessage(), error.param) : new Refused(400, e.getMessage(), null);
        }
    }

    private JsonNode dashboard(String method, String path, List<String> parts, Map<String, Object> query, byte[] body) {
        var desk = simulator.dashboard();
        var id = parts.size() > 1 ? parts.get(1) : null;
        return switch (method + " " + parts.get(0) + " " + parts.size()) {
            case "GET customers 1" -> search(query, Resources.CUSTOMERS, UnaryOperator.identity(), "id", "name", "email", "phone", "description");
            case "POST customers 1" -> desk.createCustomer(fields(body));
            case "GET customers 2" -> desk.customer(id);
            case "POST customers 2" -> desk.updateCustomer(id, fields(body));
            case "DELETE customers 2" -> desk.deleteCustomer(id);
            case "GET invoices 1" -> search(query, Resources.INVOICES, UnaryOperator.identity(), "id", "number", "status", "customer", "customer_name", "customer_email", "description");
            case "POST invoices 1" -> desk.createInvoice(fields(body));
            case "GET invoices 2" -> desk.invoice(id);
            case "POST invoices 2" -> desk.updateInvoice(id, fields(body));
            case "DELETE invoices 2" -> desk.deleteInvoice(id);
            case "POST invoices 3" -> switch (parts.get(2)) {
                case "finalize" -> desk.finalizeInvoice(id);
                case "pay" -> desk.payInvoice(id);
                case "void" -> desk.voidInvoice(id);
                case "mark_uncollectible" -> desk.markUncollectible(id);
                case "lines" -> Json.MAPPER.createObjectNode().put("id", desk.addLine(id, fields(body)));
                default -> throw unknown(method, path);
            };
            case "POST invoices 4" -> desk.updateLine(parts.get(3), fields(body));
            case "DELETE invoices 4" -> {
                desk.removeLine(parts.get(3));
                yield desk.invoice(id);
            }
            case "GET products 1" -> search(query, Resources.PRODUCTS, this::priced, "id", "name", "description");
            case "POST products 1" -> desk.createProduct(fields(body));
            case "GET products 2" -> desk.product(id);
            case "POST products 2" -> desk.updateProduct(id, fields(body));
            case "DELETE products 2" -> desk.deleteProduct(id);
            case "GET subscriptions 1" -> search(query, Resources.SUBSCRIPTIONS, UnaryOperator.identity(), "id", "customer", "status");
            case "POST subscriptions 1" -> desk.createSubscription(fields(body));
            case "GET subscriptions 2" -> desk.subscription(id);
            case "DELETE subscriptions 2" -> desk.cancelSubscription(id);
            case "POST subscriptions 2" -> desk.changeQuantity(id, json(body).path("quantity").asLong());
            case "POST subscriptions 3" -> switch (parts.get(2)) {
                case "advance" -> desk.advanceSubscription(id);
                default -> throw unknown(method, path);
            };
            case "GET prices 1" -> search(query, Resources.PRICES, Prices::shown, "id", "product", "type", "nickname");
            case "POST prices 1" -> desk.createPrice(fields(body));
            default -> throw unknown(method, path);
        };
    }

    private static Refused unknown(String method, String path) {
        return new Refused(404, "There is no " + method + " " + path, null);
    }

    private JsonNode changeFaults(JsonNode change) {
        simulator.faults().change(change);
        return simulator.faults().toJson();
    }

    private JsonNode identity() {
        return Json.MAPPER.createObjectNode().put("id", account.id()).put("api_version", account.apiVersion());
    }

    private JsonNode changeIdentity(JsonNode change) {
        change.fieldNames().forEachRemaining(name -> {
            if (!List.of("id", "api_version").contains(name)) {
                throw new IllegalArgumentException("An account has no " + name + " here. Known: id, api_version");
            }
        });
        if (change.has("api_version")) {
            account.apiVersion(change.get("api_version").asText());
        }
        if (change.has("id")) {
            account.id(change.get("id").asText());
        }
        return identity();
    }

    private JsonNode changeAccess(JsonNode change) {
        simulator.access().change(change);
        return simulator.access().toJson();
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

    /** Objects that have the text {@code q} in one of some fields, newest first. */
    private JsonNode search(Map<String, Object> query, Resource resource, UnaryOperator<ObjectNode> show, String... fields) {
        var page = account.search(resource, String.valueOf(query.getOrDefault("q", "")), List.of(fields), number(query, "limit", 20), number(query, "offset", 0));
        var answer = Json.MAPPER.createObjectNode().put("has_more", page.more());
        var data = answer.putArray("data");
        page.items().forEach(found -> data.add(show.apply(Json.object(found))));
        return answer;
    }

    private ObjectNode priced(ObjectNode product) {
        return product.set("default_price", product.get("default_price").isNull() ? null : account.live(Json.text(product, "default_price")));
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
