package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * How events spell their objects in an API version older than the one in which all objects here are kept: invoices, their lines, and invoice items
 * as before <a href="https://docs.stripe.com/changelog/basil/2025-03-31/invoice-pricing-configurations">basil</a>. Customers and products
 * are spelled alike in both.
 *
 * @see <a href="https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects">what {@code parent} replaced</a>
 * @see <a href="https://docs.stripe.com/changelog/basil/2025-03-31/invoice-tax-configurations">what {@code taxes} replaced</a>
 */
final class ApiVersion {

    static final String OLD = "2024-06-20";
    static final Set<String> KNOWN = Set.of(Events.API_VERSION, OLD);

    private static final List<String> NEW_OF_INVOICES = List.of("parent", "total_taxes", "amount_overpaid", "customer_account");
    private static final List<String> NEW_OF_LINES = List.of("parent", "pricing", "quantity_decimal", "subtotal", "taxes", "pretax_credit_amounts");
    private static final List<String> NEW_OF_ITEMS = List.of("parent", "pricing", "quantity_decimal", "net_amount", "customer_account");

    private ApiVersion() {
    }

    /**
     * Spells an event's object, and what it tells of the object before, in the version that the event names.
     *
     * @param event kept in the present spelling; it is changed
     * @param prices finds a price by its id, in the present spelling; null where there is none
     */
    static ObjectNode spell(ObjectNode event, Function<String, ObjectNode> prices) {
        if (OLD.equals(Json.text(event, "api_version")) && event.path("data").path("object") instanceof ObjectNode object) {
            var kind = Json.text(object, "object");
            old(kind, object, prices);
            if (event.get("data").path("previous_attributes") instanceof ObjectNode previous) {
                old(kind, previous, prices);
            }
        }
        return event;
    }

    private static void old(String kind, ObjectNode object, Function<String, ObjectNode> prices) {
        switch (kind == null ? "" : kind) {
            case "invoice" -> invoice(object, prices);
            case "invoiceitem" -> item(object, prices);
            case "price" -> price(object);
            default -> { }
        }
    }

    /** In previous attributes only what was there may show. */
    private static void invoice(ObjectNode invoice, Function<String, ObjectNode> prices) {
        if (invoice.has("status")) {
            invoice.put("paid", "paid".equals(Json.text(invoice, "status")));
        }
        if (invoice.has("total_taxes")) {
            invoice.set("total_tax_amounts", taxes(invoice.get("total_taxes")));
            invoice.set("tax", sum(invoice.get("total_taxes")));
        }
        if (invoice.has("id")) {
            invoice.set("subscription", invoice.at("/parent/subscription_details/subscription").isMissingNode() ? NullNode.instance
                    : invoice.at("/parent/subscription_details/subscription"));
            invoice.putNull("charge").putNull("payment_intent").putNull("discount").putNull("quote");
            invoice.put("paid_out_of_band", false);
        }
        invoice.path("lines").path("data").forEach(line -> line((ObjectNode) line, prices));
        invoice.remove(NEW_OF_INVOICES);
    }

    private static void line(ObjectNode line, Function<String, ObjectNode> prices) {
        var item = line.at("/parent/invoice_item_details");
        var subscription = line.at("/parent/subscription_item_details");
        var price = pricing(line, prices);
        line.put("type", subscription.isObject() ? "subscription" : "invoiceitem");
        line.put("invoice_item", item.isObject() ? Json.text(item, "invoice_item") : Json.text(subscription, "invoice_item"));
        line.put("subscription", Json.text(subscription, "subscription"));
        if (subscription.isObject()) {
            line.put("subscription_item", Json.text(subscription, "subscription_item"));
        }
        line.put("proration", (item.isObject() ? item : subscription).path("proration").asBoolean()).putNull("plan");
        line.put("unit_amount_excluding_tax", Json.text(line.path("pricing"), "unit_amount_decimal"));
        line.set("tax_amounts", taxes(line.path("taxes")));
        line.set("price", price);
        line.remove(NEW_OF_LINES);
    }

    private static void item(ObjectNode item, Function<String, ObjectNode> prices) {
        if (item.has("pricing")) {
            var amount = Json.text(item.path("pricing"), "unit_amount_decimal");
            item.set("price", pricing(item, prices));
            item.put("unit_amount_decimal", amount);
            item.set("unit_amount", amount != null && amount.matches("-?[0-9]+") ? Json.MAPPER.getNodeFactory().numberNode(Long.parseLong(amount)) : NullNode.instance);
        }
        if (item.has("id")) {
            item.putNull("plan").putNull("subscription");
        }
        item.remove(NEW_OF_ITEMS);
    }

    private static void price(ObjectNode price) {
        if (price.path("recurring") instanceof ObjectNode recurring) {
            recurring.putNull("aggregate_usage");
        }
    }

    /** The whole price, where the present spelling only names it. */
    private static JsonNode pricing(ObjectNode priced, Function<String, ObjectNode> prices) {
        var details = priced.at("/pricing/price_details");
        var price = details.isObject() ? prices.apply(String.valueOf(Json.text(details, "price"))) : null;
        if (price != null) {
            price(price);
            return price;
        }
        return !details.isObject() ? NullNode.instance : Json.MAPPER.createObjectNode().put("id", Json.text(details, "price")).put("object", "price")
                .put("product", Json.text(details, "product")).put("currency", Json.text(priced, "currency"))
                .put("unit_amount_decimal", Json.text(priced.path("pricing"), "unit_amount_decimal")).put("type", "one_time");
    }

    private static JsonNode taxes(JsonNode taxes) {
        var amounts = Json.MAPPER.createArrayNode();
        taxes.forEach(tax -> amounts.addObject().put("amount", tax.path("amount").asLong()).put("inclusive", "inclusive".equals(Json.text(tax, "tax_behavior")))
                .put("tax_rate", Json.text(tax.path("tax_rate_details"), "tax_rate")).put("taxability_reason", Json.text(tax, "taxability_reason"))
                .set("taxable_amount", tax.path("taxable_amount").isNumber() ? tax.get("taxable_amount") : NullNode.instance));
        return amounts;
    }

    private static JsonNode sum(JsonNode taxes) {
        var sum = 0L;
        for (var tax : taxes) {
            sum += tax.path("amount").asLong();
        }
        return taxes.isEmpty() ? NullNode.instance : Json.MAPPER.getNodeFactory().numberNode(sum);
    }
}
