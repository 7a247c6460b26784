package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Edits that a person makes in the dashboard: checked like those of the API, but their events have no idempotency key, and no fault touches
 * them. What a person does at once is one edit here, whatever calls it takes: all of them or none. Values are strings, numbers, booleans, maps, lists or null, which unsets. Thread-safe.
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
        return all(Resources.CUSTOMERS).toList();
    }

    /**
     * Creates a draft, whole or not at all.
     *
     * @param fields {@code customer}, {@code currency}, {@code memo}, {@code metadata}; {@code days_until_due} or {@code due_date}, epoch seconds or
     *        2026-12-31, for one that is sent instead of charged; {@code tax_rate} and {@code discount} as a line has them, for all lines that have none
     *        of their own, or for the whole; {@code shipping}, in the currency's minor unit; {@code lines}, a list of what {@link #addLine} takes
     * @return the invoice with all its lines
     */
    public JsonNode createInvoice(Map<String, ?> fields) {
        return whole(() -> edit(calls -> {
            var set = invoiceForm(fields);
            set.values().removeIf(""::equals);
            var lines = set.remove("lines");
            addExtras(calls, set, Json.text(Json.MAPPER.valueToTree(set), "currency"), "default_tax_rates");
            var invoice = calls.call("POST", "/v1/invoices", set);
            if (lines instanceof Map<?, ?> all) {
                all.values().forEach(line -> addLine(calls, invoice, hash(line)));
            }
            return invoice;
        }));
    }

    /**
     * Changes a draft's {@code memo}, {@code days_until_due}, {@code due_date}, {@code tax_rate}, {@code discount} or {@code shipping}, or any invoice's
     * {@code metadata}. Returns it with all its lines.
     */
    public JsonNode updateInvoice(String id, Map<String, ?> fields) {
        return whole(() -> edit(calls -> {
            var path = "/v1/invoices/" + id;
            var set = invoiceForm(fields);
            addExtras(calls, set, Json.text(calls.call("GET", path, Map.of()), "currency"), "default_tax_rates");
            return calls.call("POST", path, set);
        }));
    }

    /**
     * Adds a line to a draft.
     *
     * @param line {@code description}, {@code metadata}; {@code quantity}, which may have decimals as a text; {@code unit_amount} in the currency's minor
     *        unit, which may have decimals too, or {@code product} at its default price, or both; {@code tax_rate}, its id or {@code {percentage,
     *        inclusive, display_name}}, which is made when no active one is like it; {@code discount}, the id of a coupon or {@code {percent_off}} or
     *        {@code {amount_off}}, in the minor unit
     * @return the id of its invoice item
     */
    public String addLine(String invoice, Map<String, ?> line) {
        return edit(calls -> addLine(calls, calls.call("GET", "/v1/invoices/" + invoice, Map.of()), form(line))).get("id").asText();
    }

    /** Changes what is named of a draft's line, by the id of its invoice item. Returns the item. */
    public JsonNode updateLine(String item, Map<String, ?> line) {
        return edit(calls -> {
            var path = "/v1/invoiceitems/" + item;
            var old = calls.call("GET", path, Map.of());
            var set = form(line);
            price(calls, set, Json.text(old, "currency"), Json.text(old.at("/pricing/price_details"), "product"));
            addExtras(calls, set, Json.text(old, "currency"), "tax_rates");
            return calls.call("POST", path, set);
        });
    }

    /** Takes a line out of a draft, by the id of its invoice item. */
    public void removeLine(String item) {
        write("DELETE", "/v1/invoiceitems/" + item, Map.of());
    }

    public JsonNode finalizeInvoice(String id) {
        return act(id, "finalize");
    }

    /** The customer pays, which always succeeds. */
    public JsonNode payInvoice(String id) {
        return act(id, "pay");
    }

    public JsonNode voidInvoice(String id) {
        return act(id, "void");
    }

    public JsonNode markUncollectible(String id) {
        return act(id, "mark_uncollectible");
    }

    /** Deletes a draft with its items. */
    public JsonNode deleteInvoice(String id) {
        return write("DELETE", "/v1/invoices/" + id, Map.of());
    }

    /** An invoice with all its lines. */
    public JsonNode invoice(String id) {
        return translate(() -> account.find(Resources.INVOICES, id));
    }

    /** All invoices, newest first, with all their lines. */
    public List<JsonNode> invoices() {
        synchronized (account) {
            return all(Resources.INVOICES).map(invoice -> invoice(Json.text(invoice, "id"))).toList();
        }
    }

    /**
     * Creates a product.
     *
     * @param fields {@code name}, {@code description}, {@code active}, {@code metadata}, …; {@code unit_amount} and {@code currency} are its default price
     * @return the product, {@code default_price} expanded
     */
    public JsonNode createProduct(Map<String, ?> fields) {
        return edit(calls -> {
            var set = form(fields);
            set.values().removeIf(""::equals);
            var price = new LinkedHashMap<String, Object>();
            for (var field : List.of("currency", "unit_amount")) {
                if (set.containsKey(field)) {
                    price.put(field, set.remove(field));
                }
            }
            if (!price.isEmpty()) {
                set.put("default_price_data", price);
            }
            return calls.call("POST", "/v1/products", expanded(set));
        });
    }

    /**
     * Changes what is named of a product. Another {@code unit_amount} or {@code currency} makes a new default price and archives the old one; a null
     * {@code unit_amount} leaves it without.
     *
     * @return the product, {@code default_price} expanded
     */
    public JsonNode updateProduct(String id, Map<String, ?> fields) {
        return edit(calls -> {
            var path = "/v1/products/" + id;
            var set = form(fields);
            var old = calls.call("GET", path, expanded(Map.of())).path("default_price");
            var amount = set.containsKey("unit_amount") ? set.remove("unit_amount") : old.path("unit_amount_decimal").asText();
            var currency = set.containsKey("currency") ? set.remove("currency") : old.path("currency").asText();
            var moved = !amount.equals(old.path("unit_amount_decimal").asText()) || !currency.toString().equalsIgnoreCase(old.path("currency").asText());
            if (moved && amount.equals("")) {
                set.put("default_price", "");
            } else if (moved) {
                set.put("default_price", calls.call("POST", "/v1/prices", Map.of("product", id, "currency", currency, "unit_amount_decimal", amount)).get("id").asText());
            }
            var product = calls.call("POST", path, expanded(set));
            if (moved && old.path("active").asBoolean()) {
                calls.call("POST", "/v1/prices/" + Json.text(old, "id"), Map.of("active", "false"));
            }
            return product;
        });
    }

    /** Deletes a product that never had a price. */
    public JsonNode deleteProduct(String id) {
        return write("DELETE", "/v1/products/" + id, Map.of());
    }

    /** A product, {@code default_price} expanded. */
    public JsonNode product(String id) {
        return edit(calls -> calls.call("GET", "/v1/products/" + id, expanded(Map.of())));
    }

    /** All products, newest first, {@code default_price} expanded. */
    public List<JsonNode> products() {
        synchronized (account) {
            return all(Resources.PRODUCTS).map(product -> product(Json.text(product, "id"))).toList();
        }
    }

    private JsonNode act(String invoice, String action) {
        return whole(() -> write("POST", "/v1/invoices/" + invoice + "/" + action, Map.of()));
    }

    /** The invoice that an edit leaves, with all its lines, before anybody else changes or deletes it. */
    private JsonNode whole(Supplier<JsonNode> edit) {
        synchronized (account) {
            return invoice(Json.text(edit.get(), "id"));
        }
    }

    private Stream<JsonNode> all(Resource resource) {
        return account.list(resource, Json.MAPPER.createObjectNode(), Integer.MAX_VALUE, null, null).items().stream().map(Json::object);
    }

    private static ObjectNode addLine(Calls calls, ObjectNode invoice, Map<String, Object> line) {
        var set = new LinkedHashMap<>(line);
        set.values().removeIf(""::equals);
        price(calls, set, Json.text(invoice, "currency"), null);
        addExtras(calls, set, Json.text(invoice, "currency"), "tax_rates");
        set.put("customer", Json.text(invoice, "customer"));
        set.put("invoice", Json.text(invoice, "id"));
        set.put("currency", Json.text(invoice, "currency"));
        return calls.call("POST", "/v1/invoiceitems", set);
    }

    private static Map<String, Object> hash(Object line) {
        if (line instanceof Map<?, ?>) {
            return Type.asMap(line);
        }
        throw new IllegalArgumentException("lines: each must be an object");
    }

    /** Says what a line's {@code unit_amount} and {@code product} mean in the API's words. */
    private static void price(Calls calls, Map<String, Object> line, String currency, String oldProduct) {
        var amount = line.remove("unit_amount");
        var product = line.containsKey("product") ? line.remove("product") : amount == null ? "" : oldProduct;
        if (amount == null && !product.equals("")) {
            line.put("pricing", Map.of("price", String.valueOf(Json.text(calls.call("GET", "/v1/products/" + product, Map.of()), "default_price"))));
        } else if (amount != null && product != null && !product.equals("")) {
            line.put("price_data", Map.of("currency", currency, "product", product, "unit_amount_decimal", amount));
        } else if (amount != null) {
            line.put("unit_amount_decimal", amount);
        }
    }

    /** Says what {@code quantity}, {@code tax_rate}, {@code discount} and {@code shipping} mean in the API's words; an empty one unsets. */
    private static void addExtras(Calls calls, Map<String, Object> set, String currency, String taxRates) {
        if (set.get("quantity") instanceof String quantity && quantity.contains(".")) {
            set.put("quantity_decimal", set.remove("quantity"));
        }
        if (set.containsKey("tax_rate")) {
            var rate = set.remove("tax_rate");
            set.put(taxRates, rate.equals("") ? "" : Map.of("0", rate instanceof Map<?, ?> data ? taxRate(calls, Type.asMap(data)) : rate));
        }
        if (set.containsKey("discount")) {
            var discount = set.remove("discount");
            set.put("discounts", discount.equals("") ? "" : Map.of("0", Map.of("coupon", discount instanceof Map<?, ?> data ? coupon(calls, Type.asMap(data), currency) : discount)));
        }
        if (set.containsKey("shipping")) {
            var amount = set.remove("shipping");
            set.put("shipping_cost", amount.equals("") ? "" : Map.of("shipping_rate_data",
                    Map.of("display_name", "Shipping", "type", "fixed_amount", "fixed_amount", Map.of("amount", amount, "currency", String.valueOf(currency)))));
        }
    }

    private static Object taxRate(Calls calls, Map<String, Object> data) {
        var set = new LinkedHashMap<>(data);
        set.putIfAbsent("display_name", "Tax");
        set.putIfAbsent("inclusive", "false");
        for (var rate : calls.call("GET", "/v1/tax_rates", Map.of("active", "true", "limit", "100", "inclusive", set.get("inclusive"))).get("data")) {
            if (set.get("display_name").equals(Json.text(rate, "display_name")) && set.getOrDefault("percentage", "").equals(Json.text(rate, "percentage"))) {
                return rate.get("id").asText();
            }
        }
        return calls.call("POST", "/v1/tax_rates", set).get("id").asText();
    }

    private static Object coupon(Calls calls, Map<String, Object> data, String currency) {
        var set = new LinkedHashMap<>(data);
        if (set.containsKey("amount_off")) {
            set.putIfAbsent("currency", String.valueOf(currency));
        }
        return calls.call("POST", "/v1/coupons", set).get("id").asText();
    }

    private static Map<String, Object> invoiceForm(Map<String, ?> fields) {
        var set = form(fields);
        if (set.containsKey("memo")) {
            set.put("description", set.remove("memo"));
        }
        if (set.get("due_date") instanceof String date && date.contains("-")) {
            set.put("due_date", endOf(date));
        }
        var due = Stream.of("days_until_due", "due_date").filter(set::containsKey).toList();
        if (!due.isEmpty()) {
            var sent = due.stream().anyMatch(field -> !set.get(field).equals(""));
            set.put("collection_method", sent ? "send_invoice" : "charge_automatically");
            due.forEach(field -> set.remove(field, ""));
        }
        return set;
    }

    private static String endOf(String date) {
        try {
            return String.valueOf(LocalDate.parse(date).atTime(LocalTime.MAX).toEpochSecond(ZoneOffset.UTC));
        } catch (DateTimeParseException e) {
            throw new IllegalArgumentException("due_date: this is no day like 2026-12-31", e);
        }
    }

    private static Map<String, Object> expanded(Map<String, ?> params) {
        var all = new LinkedHashMap<String, Object>(params);
        all.put("expand", Map.of("0", "default_price"));
        return all;
    }

    private JsonNode write(String method, String path, Map<String, Object> params) {
        return edit(calls -> calls.call(method, path, params));
    }

    /** Makes the calls of one edit: all or none. */
    private ObjectNode edit(Function<Calls, ObjectNode> edit) {
        return translate(() -> {
            synchronized (account) {
                var tx = account.begin(Ids.shortId("req_"), null);
                var result = edit.apply((method, path, params) -> Json.object(api.call(tx, method, path, params)));
                account.commit(tx, null);
                return result;
            }
        });
    }

    /** Calls of the API, within one transaction. */
    private interface Calls {
        ObjectNode call(String method, String path, Map<String, Object> params);
    }

    private static ObjectNode translate(Supplier<ObjectNode> call) {
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
