package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.stripe.Resource.Action;
import java.math.BigDecimal;
import java.math.MathContext;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Subscriptions: each period makes an invoice, which is finalized at once, and paid unless it is sent. A line of it has no invoice item behind it.
 * When the price or quantity of an item changes, what is left of the period is credited and charged anew, by two pending invoice items.
 *
 * <p>Simpler than Stripe: a period ends when the dashboard says so; there are no trials, no usage (a metered item comes to nothing), and a draft does not
 * wait for an hour.
 *
 * @see <a href="https://docs.stripe.com/api/subscriptions">Subscriptions</a>
 * @see <a href="https://docs.stripe.com/billing/subscriptions/prorations">Prorations</a>
 */
final class Subscriptions implements Resource.Lifecycle {

    private static final DateTimeFormatter DAY = DateTimeFormatter.ofPattern("d MMM yyyy", Locale.ENGLISH).withZone(ZoneOffset.UTC);

    static final Map<String, Action> ACTIONS = Map.of(
            "DELETE", new Action(new Params(Param.param("invoice_now", Type.bool()), Param.param("prorate", Type.bool())), (tx, subscription, values) -> {
                if (ended(subscription)) {
                    throw ApiError.missing(404, "subscription", Json.text(subscription, "id"), "id");
                }
                end(tx, subscription);
            }));

    @Override
    public void create(Transaction tx, ObjectNode subscription, ObjectNode values) {
        subscription.put("start_date", tx.now).put("billing_cycle_anchor", tx.now);
        ((ObjectNode) subscription.get("items")).put("url", "/v1/subscription_items?subscription=" + Json.text(subscription, "id"));
        var index = 0;
        for (var item : values.get("items")) {
            add(tx, subscription, (ObjectNode) item, "items[" + index++ + "]");
        }
        if (index == 0) {
            throw ApiError.invalid("parameter_missing", "Missing required param: items.", "items");
        }
        Extras.tax(tx, subscription, "default_tax_rates", values);
        Extras.discount(tx, subscription, "subscription", values);
        checkCollection(subscription);
        bill(tx, subscription, "subscription_create");
    }

    @Override
    public void update(Transaction tx, ObjectNode subscription, ObjectNode values) {
        if (ended(subscription)) {
            values.fieldNames().forEachRemaining(name -> {
                if (!Set.of("metadata", "expand").contains(name)) {
                    throw ApiError.invalid(null, "A canceled subscription can only update its cancellation_details and metadata.", name);
                }
            });
            return;
        }
        Extras.tax(tx, subscription, "default_tax_rates", values);
        Extras.discount(tx, subscription, "subscription", values);
        checkCollection(subscription);
        if (values.has("cancel_at_period_end")) {
            var stop = values.get("cancel_at_period_end").asBoolean();
            subscription.set("cancel_at", stop ? items(subscription).get(0).get("current_period_end") : NullNode.instance);
            subscription.set("canceled_at", stop ? Json.MAPPER.getNodeFactory().numberNode(tx.now) : NullNode.instance);
        }
        var behavior = values.path("proration_behavior").asText("create_prorations");
        var index = 0;
        for (var item : values.path("items")) {
            change(tx, subscription, (ObjectNode) item, "items[" + index++ + "]", behavior);
        }
        if (index > 0 && behavior.equals("always_invoice")) {
            bill(tx, subscription, "subscription_update");
        }
    }

    /** Begins the next period, with its invoice; a subscription that is to end with this one is cancelled instead. */
    static void advance(Transaction tx, ObjectNode subscription) {
        if (ended(subscription)) {
            throw ApiError.invalid(null, "The subscription is canceled: it has no next period.", null);
        }
        if (subscription.get("cancel_at_period_end").asBoolean()) {
            end(tx, subscription);
            return;
        }
        for (var item : items(subscription)) {
            var start = item.get("current_period_end").asLong();
            ((ObjectNode) item).put("current_period_start", start).put("current_period_end", endOf(start, item.at("/price/recurring")));
        }
        bill(tx, subscription, "subscription_cycle");
        tx.update(Resources.SUBSCRIPTIONS, subscription);
    }

    /** Cancels what a customer has, who is about to be deleted. */
    static void endAll(Transaction tx, String customer) {
        for (var subscription : tx.where(Resources.SUBSCRIPTIONS, "customer", customer)) {
            if (!ended(subscription)) {
                end(tx, subscription);
            }
        }
    }

    /** Says of a line that it is a subscription's. Returns the details. */
    static ObjectNode parent(ObjectNode line, JsonNode subscription, JsonNode item) {
        var parent = line.putObject("parent").putNull("invoice_item_details");
        var details = parent.putObject("subscription_item_details").putNull("invoice_item").put("proration", false);
        details.putObject("proration_details").putNull("credited_items");
        details.set("subscription", subscription);
        details.set("subscription_item", item);
        parent.put("type", "subscription_item_details");
        line.set("subscription", subscription);
        return details;
    }

    private static boolean ended(JsonNode subscription) {
        return "canceled".equals(Json.text(subscription, "status"));
    }

    private static void end(Transaction tx, ObjectNode subscription) {
        subscription.put("status", "canceled").put("canceled_at", tx.now).put("ended_at", tx.now);
        ((ObjectNode) subscription.get("cancellation_details")).put("reason", "cancellation_requested");
        tx.save(subscription);
        tx.event(Resources.SUBSCRIPTIONS, "deleted", subscription);
    }

    private static void checkCollection(ObjectNode subscription) {
        if ("send_invoice".equals(Json.text(subscription, "collection_method")) && subscription.path("days_until_due").isNull()) {
            throw ApiError.invalid("parameter_missing", "A subscription with collection_method=send_invoice needs days_until_due.", "days_until_due");
        }
    }

    private static ArrayNode items(ObjectNode subscription) {
        return (ArrayNode) subscription.get("items").get("data");
    }

    private static ObjectNode add(Transaction tx, ObjectNode subscription, ObjectNode values, String at) {
        var price = price(tx, subscription, Json.text(values, "price"), at + "[price]");
        var item = Resources.template("subscription_item").deepCopy().put("id", Ids.shortId("si_")).put("created", tx.now).put("current_period_start", tx.now);
        item.set("subscription", subscription.get("id"));
        item.set("price", Prices.shown(price));
        if (metered(price)) {
            item.remove("quantity");
        } else if (values.has("quantity")) {
            item.set("quantity", values.get("quantity"));
        }
        if (values.has("metadata")) {
            item.set("metadata", values.get("metadata"));
        }
        item.put("current_period_end", endOf(tx.now, price.get("recurring")));
        items(subscription).add(item);
        return item;
    }

    /** Stripe's words about one-time prices are in <a href="https://github.com/stripe/stripe-dotnet/issues/2228">stripe-dotnet#2228</a>. */
    private static ObjectNode price(Transaction tx, ObjectNode subscription, String id, String param) {
        var price = id == null ? null : tx.find(id);
        if (id == null) {
            throw ApiError.invalid("parameter_missing", "Missing required param: " + param + ".", param);
        } else if (price == null || !"price".equals(Json.text(price, "object"))) {
            throw ApiError.missing(400, "price", id, param);
        } else if (!price.get("active").asBoolean()) {
            throw ApiError.invalid(null, "The price specified is inactive. This field only accepts active prices.", param);
        } else if (!"recurring".equals(Json.text(price, "type"))) {
            throw ApiError.invalid(null, "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.", param);
        }
        if (subscription.path("currency").isNull()) {
            subscription.set("currency", price.get("currency"));
        }
        if (!subscription.get("currency").equals(price.get("currency"))) {
            throw ApiError.invalid(null, "All prices of a subscription must have its currency, " + Json.text(subscription, "currency") + ".", param);
        }
        for (var other : items(subscription)) {
            for (var field : new String[] {"interval", "interval_count"}) {
                if (!other.at("/price/recurring/" + field).equals(price.at("/recurring/" + field))) {
                    throw ApiError.invalid(null, "All prices of a subscription must have the same recurring[interval] and recurring[interval_count].", param);
                }
            }
        }
        return price;
    }

    private static void change(Transaction tx, ObjectNode subscription, ObjectNode values, String at, String behavior) {
        var id = Json.text(values, "id");
        ObjectNode before = null;
        ObjectNode item = null;
        var items = items(subscription);
        for (var i = 0; i < items.size(); i++) {
            if (id != null && id.equals(Json.text(items.get(i), "id"))) {
                item = (ObjectNode) items.get(i);
                before = item.deepCopy();
                if (values.path("deleted").asBoolean()) {
                    items.remove(i);
                    item = null;
                    break;
                }
            }
        }
        if (id != null && before == null) {
            throw ApiError.missing(400, "subscription item", id, at + "[id]");
        } else if (id == null) {
            item = add(tx, subscription, values, at);
            var first = items.get(0);
            item.<ObjectNode>set("current_period_start", first.get("current_period_start")).set("current_period_end", first.get("current_period_end"));
        } else if (item != null) {
            if (values.has("price")) {
                item.set("price", Prices.shown(price(tx, subscription, Json.text(values, "price"), at + "[price]")));
            }
            for (var field : new String[] {"quantity", "metadata"}) {
                if (values.has(field)) {
                    item.set(field, values.get(field));
                }
            }
        }
        if (!behavior.equals("none")) {
            if (before != null && !before.equals(item)) {
                prorate(tx, subscription, before, -1, "Unused time on ");
            }
            if (item != null && !item.equals(before)) {
                prorate(tx, subscription, item, 1, "Remaining time on ");
            }
        }
    }

    /** Makes a pending invoice item for what is left of the period: by the second, and rounded half up. */
    private static void prorate(Transaction tx, ObjectNode subscription, ObjectNode item, int sign, String what) {
        var start = item.get("current_period_start").asLong();
        var end = item.get("current_period_end").asLong();
        var left = BigDecimal.valueOf(Math.max(0, end - Math.max(start, tx.now))).divide(BigDecimal.valueOf(end - start), MathContext.DECIMAL128);
        var price = tx.get(Resources.PRICES, item.at("/price/id").asText());
        var amount = sign * Currencies.round(Json.text(price, "currency"), exact(price, item).multiply(left));
        var made = Resources.template("invoiceitem").deepCopy().put("id", Resources.INVOICE_ITEMS.ids().get()).put("date", tx.now).put("amount", amount).put("net_amount", amount)
                .put("proration", true).put("discountable", false).put("description", what + describe(tx, item) + " after " + DAY.format(Instant.ofEpochSecond(tx.now)));
        made.set("currency", price.get("currency"));
        made.set("customer", subscription.get("customer"));
        made.put("quantity", item.path("quantity").asLong()).put("quantity_decimal", item.path("quantity").asText("0"));
        ((ObjectNode) made.get("period")).put("start", tx.now).put("end", end);
        made.set("pricing", pricing(price));
        made.putObject("parent").put("type", "subscription_details").putObject("subscription_details").<ObjectNode>set("subscription", subscription.get("id"))
                .set("subscription_item", item.get("id"));
        tx.create(Resources.INVOICE_ITEMS, made);
    }

    /** Makes the invoice of a period: a line for each item, and what is pending; of a change, only that. */
    private static void bill(Transaction tx, ObjectNode subscription, String reason) {
        var invoice = Json.MAPPER.createObjectNode().put("billing_reason", reason).put("auto_advance", true);
        for (var field : new String[] {"customer", "currency", "collection_method", "default_tax_rates"}) {
            invoice.set(field, subscription.get(field));
        }
        if (subscription.path("days_until_due").isNumber() && "send_invoice".equals(Json.text(subscription, "collection_method"))) {
            invoice.put("due_date", tx.now + subscription.get("days_until_due").asLong() * 24 * 3600);
        }
        var discounts = invoice.putArray("discounts");
        for (var discount : subscription.get("discounts")) {
            var coupon = tx.get(Resources.DISCOUNTS, discount.asText()).at("/worth/duration").asText();
            if (!coupon.equals("once") || reason.equals("subscription_create")) {
                discounts.add(discount);
            }
        }
        var parent = invoice.putObject("parent").putNull("quote_details").put("type", "subscription_details");
        parent.putObject("subscription_details").<ObjectNode>set("metadata", subscription.get("metadata")).set("subscription", subscription.get("id"));
        var lines = invoice.putObject("lines").put("object", "list");
        var data = lines.putArray("data");
        lines.put("has_more", false).putNull("url");
        if (!reason.equals("subscription_update")) {
            items(subscription).forEach(item -> data.add(line(tx, subscription, (ObjectNode) item)));
        }
        subscription.set("latest_invoice", Invoices.bill(tx, invoice).get("id"));
    }

    private static ObjectNode line(Transaction tx, ObjectNode subscription, ObjectNode item) {
        var price = tx.get(Resources.PRICES, item.at("/price/id").asText());
        var amount = Currencies.round(Json.text(price, "currency"), exact(price, item));
        if (amount > Prices.MOST) {
            throw ApiError.invalid("amount_too_large", "The total amount (quantity * unit amount) must be no more than " + Prices.MOST + ", but it is " + amount + ".", "items");
        }
        var line = Resources.template("line_item").deepCopy().put("id", Ids.longId("il_")).put("amount", amount).put("description", describe(tx, item));
        line.set("currency", price.get("currency"));
        line.set("metadata", subscription.get("metadata"));
        line.put("quantity", item.path("quantity").asLong()).put("quantity_decimal", item.path("quantity").asText("0"));
        line.set("pricing", pricing(price));
        ((ObjectNode) line.get("period")).<ObjectNode>set("start", item.get("current_period_start")).set("end", item.get("current_period_end"));
        parent(line, subscription.get("id"), item.get("id"));
        return line;
    }

    private static BigDecimal exact(JsonNode price, JsonNode item) {
        return metered(price) ? BigDecimal.ZERO : Prices.amount(price, BigDecimal.valueOf(item.path("quantity").asLong()));
    }

    private static boolean metered(JsonNode price) {
        return "metered".equals(price.at("/recurring/usage_type").asText());
    }

    private static ObjectNode pricing(JsonNode price) {
        var pricing = Json.MAPPER.createObjectNode().put("type", "price_details");
        pricing.set("unit_amount_decimal", price.get("unit_amount_decimal"));
        pricing.putObject("price_details").<ObjectNode>set("price", price.get("id")).set("product", price.get("product"));
        return pricing;
    }

    private static String describe(Transaction tx, JsonNode item) {
        var product = tx.find(item.at("/price/product").asText());
        return item.path("quantity").asLong() + " × " + (product == null ? "a deleted product" : Json.text(product, "name"));
    }

    /** The end of a period; a month that is too short ends it earlier, as <a href="https://docs.stripe.com/billing/subscriptions/billing-cycle">Stripe does</a>. */
    private static long endOf(long start, JsonNode recurring) {
        var unit = switch (Json.text(recurring, "interval")) {
            case "day" -> ChronoUnit.DAYS;
            case "week" -> ChronoUnit.WEEKS;
            case "year" -> ChronoUnit.YEARS;
            default -> ChronoUnit.MONTHS;
        };
        return Instant.ofEpochSecond(start).atZone(ZoneOffset.UTC).plus(recurring.get("interval_count").asLong(), unit).toEpochSecond();
    }
}
