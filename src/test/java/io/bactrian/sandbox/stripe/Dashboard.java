package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Edits that a person makes in the dashboard: checked like those of the API, but their events have no idempotency key, and no fault touches
 * them. Values are strings, numbers, booleans, maps, lists or null, which unsets. Thread-safe.
 */
public final class Dashboard {

    private final Account account;
    private final StripeApi api;

    Dashboard(Account account, StripeApi api) {
        this.account = account;
        this.api = api;
    }

    /** Creates a customer; unset fields may be null or empty. Returns it. */
    public JsonNode createCustomer(Map<String, ?> fields) {
        var set = form(fields);
        set.values().removeIf(""::equals);
        return write("POST", "/v1/customers", set);
    }

    /**
     * Changes the fields that are named. Returns the customer.
     *
     * @throws IllegalArgumentException when Stripe would refuse the edit, or has no such customer; the message says why
     */
    public JsonNode updateCustomer(String id, Map<String, ?> fields) {
        return write("POST", "/v1/customers/" + id, form(fields));
    }

    /** Deletes a customer. Returns what is left of it. */
    public JsonNode deleteCustomer(String id) {
        return write("DELETE", "/v1/customers/" + id, Map.of());
    }

    /** The customer, or {@code {id, object, deleted: true}} when it was deleted. */
    public JsonNode customer(String id) {
        return translate(() -> Json.object(account.show(Resources.CUSTOMERS, id)));
    }

    /** All customers that are not deleted, newest first. */
    public List<JsonNode> customers() {
        var all = new ArrayList<JsonNode>();
        account.list(Resources.CUSTOMERS, Json.MAPPER.createObjectNode(), Integer.MAX_VALUE, null, null).items().forEach(json -> all.add(Json.object(json)));
        return all;
    }

    private JsonNode write(String method, String path, Map<String, Object> params) {
        return translate(() -> {
            synchronized (account) {
                var tx = account.begin(Ids.shortId("req_"), null);
                var json = api.call(tx, method, path, params);
                account.commit(tx, null);
                return Json.object(json);
            }
        });
    }

    private static ObjectNode translate(java.util.function.Supplier<ObjectNode> call) {
        try {
            return call.get();
        } catch (ApiError e) {
            throw new IllegalArgumentException((e.param == null ? "" : e.param + ": ") + e.getMessage(), e);
        }
    }

    private static Map<String, Object> form(Map<String, ?> fields) {
        var form = new LinkedHashMap<String, Object>();
        fields.forEach((name, value) -> form.put(name, formValue(value)));
        return form;
    }

    private static Object formValue(Object value) {
        if (value instanceof Map<?, ?> map) {
            var hash = new LinkedHashMap<String, Object>();
            map.forEach((name, inner) -> hash.put(name.toString(), formValue(inner)));
            return hash;
        }
        if (value instanceof List<?> list) {
            var hash = new LinkedHashMap<String, Object>();
            list.forEach(item -> hash.put(String.valueOf(hash.size()), formValue(item)));
            return hash;
        }
        return value == null ? "" : value.toString();
    }
}
