package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.stripe.Resource.Verb;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** The API's calls, {@code /v1/…}, without HTTP around them. */
final class StripeApi {

    /** The paging and shaping parameters that every list takes. */
    private static final Params LIST = new Params(
            Param.param("limit", Type.integer(1, 100)),
            Param.param("starting_after", Type.text(Resources.LONG_TEXT)),
            Param.param("ending_before", Type.text(Resources.LONG_TEXT)),
            Param.param("created", new Range()),
            Param.EXPAND);
    private static final Params LINES = new Params(
            Param.param("limit", Type.integer(1, 100)),
            Param.param("starting_after", Type.text(Resources.LONG_TEXT)),
            Param.param("ending_before", Type.text(Resources.LONG_TEXT)),
            Param.EXPAND);
    private static final Params NONE = new Params();
    private static final Params RETRIEVE = new Params(Param.EXPAND);

    private final Account account;

    StripeApi(Account account) {
        this.account = account;
    }

    /**
     * Makes a call within a transaction that the caller commits.
     *
     * @param method {@code GET}, {@code POST} or {@code DELETE}
     * @param path {@code /v1/customers/cus_1}
     * @return the JSON of the answer
     * @throws ApiError when the call is refused; the transaction is then to be dropped
     */
    byte[] call(Transaction tx, String method, String path, Map<String, Object> params) {
        var parts = path.startsWith("/v1/") ? List.of(path.substring(4).split("/")) : List.<String>of();
        var resource = parts.isEmpty() ? null : Resources.ofPath(parts.get(0));
        if (parts.equals(List.of("account")) && method.equals("GET")) {
            return Json.bytes(Json.MAPPER.createObjectNode().put("id", account.id()).put("object", "account").put("country", "US").put("default_currency", "usd")
                    .put("type", "standard"));
        }
        if (resource == null || parts.size() > 3) {
            throw unknownPath(method, path);
        }
        return switch (method + " " + parts.size()) {
            case "GET 1" -> list(tx, resource, params);
            case "GET 2" -> retrieve(tx, resource, parts.get(1), params);
            case "GET 3" -> sublist(resource, parts.get(1), parts.get(2), params, path);
            case "POST 1" -> expand(tx, create(tx, allowed(resource, Verb.CREATE, method, path), params), params);
            case "POST 2" -> expand(tx, update(tx, allowed(resource, Verb.UPDATE, method, path), parts.get(1), params), params);
            case "DELETE 2" -> delete(tx, allowed(resource, Verb.DELETE, method, path), parts.get(1), params);
            case "POST 3" -> expand(tx, act(tx, resource, parts.get(1), parts.get(2), params, method, path), params);
            default -> throw unknownPath(method, path);
        };
    }

    private ObjectNode create(Transaction tx, Resource resource, Map<String, Object> params) {
        var values = resource.params().read("", params, true);
        var object = resource.template().deepCopy().put("id", resource.ids().get());
        object.put(object.has("date") ? "date" : "created", tx.now);
        resource.params().apply("", values, object);
        checkReferences(tx, resource.params(), values);
        resource.lifecycle().create(tx, object, values);
        if (tx.find(Json.text(object, "id")) != null) {
            throw ApiError.invalid("resource_already_exists", "An object with the id " + Json.text(object, "id") + " exists already.", "id");
        }
        var secret = object.get("secret");
        var shown = resource.shown(tx.create(resource, object).deepCopy());
        return secret == null ? shown : shown.set("secret", secret);
    }

    private ObjectNode update(Transaction tx, Resource resource, String id, Map<String, Object> params) {
        var object = tx.get(resource, id);
        var values = resource.params().read("", params, false);
        resource.params().apply("", values, object);
        checkReferences(tx, resource.params(), values);
        resource.lifecycle().update(tx, object, values);
        return resource.shown(tx.update(resource, object).deepCopy());
    }

    private byte[] delete(Transaction tx, Resource resource, String id, Map<String, Object> params) {
        NONE.read("", params, false);
        var object = tx.get(resource, id);
        resource.lifecycle().delete(tx, object);
        tx.delete(resource, object);
        return Json.bytes(Json.MAPPER.createObjectNode().put("id", id).put("object", resource.object()).put("deleted", true));
    }

    private ObjectNode act(Transaction tx, Resource resource, String id, String name, Map<String, Object> params, String method, String path) {
        var action = resource.actions().get(name);
        if (action == null) {
            throw unknownPath(method, path);
        }
        var object = tx.get(resource, id);
        var values = action.params().read("", params, true);
        action.effect().run(tx, object, values);
        return resource.shown(object.deepCopy());
    }

    private byte[] retrieve(Transaction tx, Resource resource, String id, Map<String, Object> params) {
        RETRIEVE.read("", params, true);
        var json = account.show(resource, id);
        return params.isEmpty() ? json : expand(tx, Json.object(json), params);
    }

    private byte[] list(Transaction tx, Resource resource, Map<String, Object> params) {
        var filters = resource.filters().stream().map(Resource.Filter::param).toArray(Param[]::new);
        var values = LIST.and(filters).read("", params, true);
        var page = account.list(resource, values, values.path("limit").asInt(10), Json.text(values, "starting_after"), Json.text(values, "ending_before"));
        var out = new ByteArrayOutputStream(page.items().size() * 1500 + 100);
        out.writeBytes("{\"object\":\"list\",\"data\":[".getBytes(StandardCharsets.US_ASCII));
        for (var i = 0; i < page.items().size(); i++) {
            if (i > 0) {
                out.write(',');
            }
            out.writeBytes(page.items().get(i));
        }
        out.writeBytes(("],\"has_more\":" + page.more() + ",\"url\":\"/v1/" + resource.path() + "\"}").getBytes(StandardCharsets.US_ASCII));
        return values.has("expand") ? expand(tx, Json.object(out.toByteArray()), params) : out.toByteArray();
    }

    /** A list within an object, {@code /v1/invoices/in_1/lines}. */
    private byte[] sublist(Resource resource, String id, String field, Map<String, Object> params, String path) {
        var values = LINES.read("", params, true);
        var list = account.find(resource, id).path(field);
        if (!"list".equals(Json.text(list, "object"))) {
            throw unknownPath("GET", path);
        }
        var items = list.path("data");
        var limit = values.path("limit").asInt(10);
        var before = indexOf(items, values, "ending_before", items.size());
        var from = values.has("ending_before") ? Math.max(0, before - limit) : indexOf(items, values, "starting_after", -1) + 1;
        var to = Math.min(before, from + limit);
        var page = Json.MAPPER.createObjectNode().put("object", "list");
        var data = page.putArray("data");
        for (var i = from; i < to; i++) {
            data.add(items.get(i));
        }
        return Json.bytes(page.put("has_more", values.has("ending_before") ? from > 0 : to < items.size()).put("url", path));
    }

    private static int indexOf(JsonNode items, ObjectNode values, String param, int otherwise) {
        if (!values.has(param)) {
            return otherwise;
        }
        for (var i = 0; i < items.size(); i++) {
            if (items.get(i).get("id").equals(values.get(param))) {
                return i;
            }
        }
        throw ApiError.missing(400, "line item", Json.text(values, param), param);
    }

    /** Replaces the ids at the paths that {@code expand[]} names by their objects; {@code data.customer} goes into each item of a list. */
    private byte[] expand(Transaction tx, ObjectNode object, Map<String, Object> params) {
        if (params.get("expand") instanceof Map<?, ?> paths) {
            paths.values().forEach(path -> expand(tx, object, path.toString(), path.toString()));
        }
        return Json.bytes(object);
    }

    private void expand(Transaction tx, JsonNode node, String path, String whole) {
        if (node.isArray()) {
            node.forEach(item -> expand(tx, item, path, whole));
        } else if (node instanceof ObjectNode object && !path.isEmpty()) {
            var dot = path.indexOf('.');
            var field = dot < 0 ? path : path.substring(0, dot);
            if (!object.has(field) && Prices.EXPANDABLE.contains(field) && "price".equals(Json.text(object, "object"))) {
                object.set(field, tx.find(Json.text(object, "id")).get(field));
            }
            if (!object.has(field)) {
                throw ApiError.invalid(null, "This property cannot be expanded (" + whole + ").", "expand");
            }
            if (object.get(field) instanceof ArrayNode ids) {
                for (var i = 0; i < ids.size(); i++) {
                    var target = ids.get(i).isTextual() ? tx.find(ids.get(i).asText()) : null;
                    ids.set(i, target == null ? ids.get(i) : Resources.ofObject(Json.text(target, "object")).shown(target));
                }
            }
            var target = tx.find(object.get(field).asText());
            if (target != null) {
                object.set(field, Resources.ofObject(Json.text(target, "object")).shown(target));
            }
            expand(tx, object.get(field), dot < 0 ? "" : path.substring(dot + 1), whole);
        }
    }

    private static void checkReferences(Transaction tx, Params params, ObjectNode values) {
        for (var param : params.all()) {
            var id = Json.text(values, param.name());
            if (id != null && param.type() instanceof Type.Reference reference) {
                var target = tx.find(id);
                if (target == null || !reference.object().equals(Json.text(target, "object"))) {
                    throw ApiError.missing(400, reference.object(), id, param.name());
                }
            }
        }
    }

    private static Resource allowed(Resource resource, Verb verb, String method, String path) {
        if (!resource.verbs().contains(verb)) {
            throw unknownPath(method, path);
        }
        return resource;
    }

    private static ApiError unknownPath(String method, String path) {
        return new ApiError(404, "invalid_request_error", null, "Unrecognized request URL (" + method + ": " + path + ").", null);
    }

    /** {@code created=1700000000} or {@code created[gte]=1700000000}. */
    private record Range() implements Type {
        private static final Type HASH = new Hash(new Params(Param.param("gt", Type.timestamp()), Param.param("gte", Type.timestamp()),
                Param.param("lt", Type.timestamp()), Param.param("lte", Type.timestamp())));

        @Override
        public JsonNode read(String name, Object raw) {
            return (raw instanceof String ? Type.timestamp() : HASH).read(name, raw);
        }
    }
}
