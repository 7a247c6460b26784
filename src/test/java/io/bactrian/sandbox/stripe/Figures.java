package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What an invoice comes to: discounts, taxes and shipping of its lines, and its totals.
 *
 * <p>The discounts of an item come first, then those of the invoice, each of what the ones before left; none makes a line negative, and none
 * touches a credit. An amount off an invoice is spread over its lines by their worth. Taxes are reckoned line by line of what the discounts left,
 * and each rounded half up (<a href="https://support.stripe.com/questions/rounding-rules-for-stripe-fees">0.0645 is 0.06, 0.7265 is 0.73</a>).
 * A line without tax rates of its own has the invoice's. The subtotal has the discounts of items in it already, but not the invoice's
 * (<a href="https://docs.stripe.com/api/invoices/object">the invoice object</a>). Shipping has no tax here, as no tax rate is on it.
 *
 * <p>Simpler than Stripe: the customer's balance and tax exemption have no part in it, and a total that is too small to be charged is due all the same.
 */
final class Figures {

    private static final BigDecimal HUNDRED = BigDecimal.valueOf(100);

    private final Transaction tx;
    private final ObjectNode invoice;
    private final ObjectNode changed;
    private final String currency;
    private final List<Line> lines = new ArrayList<>();

    /** A line, with what is left of its amount as discounts are taken off. */
    private static final class Line {
        final ObjectNode json;
        final long amount;
        long left;
        long ofItem;

        Line(ObjectNode json) {
            this.json = json;
            this.amount = json.get("amount").asLong();
            this.left = amount;
        }

        boolean discountable() {
            return left > 0 && json.path("discountable").asBoolean(true);
        }
    }

    private Figures(Transaction tx, ObjectNode invoice, ObjectNode changed) {
        this.tx = tx;
        this.invoice = invoice;
        this.changed = changed;
        this.currency = Json.text(invoice, "currency");
    }

    /** Works out a draft's figures from its lines, discounts, default tax rates and shipping rate. */
    static void workOut(Transaction tx, ObjectNode invoice) {
        workOut(tx, invoice, null);
    }

    /**
     * The same.
     *
     * @param changed the item that is about to be saved
     */
    static void workOut(Transaction tx, ObjectNode invoice, ObjectNode changed) {
        new Figures(tx, invoice, changed).workOut();
    }

    private void workOut() {
        for (var json : invoice.get("lines").get("data")) {
            var line = new Line((ObjectNode) json);
            line.json.put("subtotal", line.amount).putArray("discount_amounts");
            line.json.putArray("pretax_credit_amounts");
            line.json.get("discounts").forEach(discount -> discount(discount.asText(), List.of(line)));
            line.ofItem = line.amount - line.left;
            lines.add(line);
        }
        invoice.get("discounts").forEach(discount -> discount(discount.asText(), lines));
        var subtotal = 0L;
        var subtotalNet = 0L;
        var total = 0L;
        var tax = 0L;
        for (var line : lines) {
            var rates = rates(line.json);
            var worth = line.amount - line.ofItem;
            subtotal += worth;
            subtotalNet += worth - included(worth, rates);
            var taxes = line.json.putArray("taxes");
            total += line.left + taxes(line.left, rates, taxes);
            for (var one : taxes) {
                tax += one.get("amount").asLong();
            }
        }
        sumUp("discount_amounts", "total_discount_amounts", "/discount");
        sumUp("pretax_credit_amounts", "total_pretax_credit_amounts", "/discount");
        sumUp("taxes", "total_taxes", "/tax_rate_details/tax_rate");
        var shipping = shipping();
        total += shipping;
        var due = Math.max(0, total);
        invoice.put("amount_shipping", shipping).put("subtotal", subtotal).put("subtotal_excluding_tax", subtotalNet).put("total", total)
                .put("total_excluding_tax", total - tax).put("amount_due", due).put("amount_remaining", due);
    }

    private void discount(String id, List<Line> among) {
        var worth = tx.get(Resources.DISCOUNTS, id).get("worth");
        var touched = among.stream().filter(Line::discountable).toList();
        var all = touched.stream().mapToLong(line -> line.left).sum();
        var off = Math.min(all, worth.path("amount_off").asLong());
        var before = 0L;
        for (var line : touched) {
            long amount;
            if (worth.path("percent_off").isNull()) {
                // The rounded share of all lines up to this one, less that of those before: the shares add up to the whole.
                amount = share(off, before + line.left, all) - share(off, before, all);
                before += line.left;
            } else {
                amount = Math.min(line.left, round(BigDecimal.valueOf(line.left).multiply(worth.get("percent_off").decimalValue()).divide(HUNDRED, MathContext.DECIMAL128)));
            }
            line.left -= amount;
            ((ArrayNode) line.json.get("discount_amounts")).addObject().put("amount", amount).put("discount", id);
            ((ArrayNode) line.json.get("pretax_credit_amounts")).addObject().put("amount", amount).put("discount", id).put("type", "discount");
        }
    }

    private long share(long off, long part, long all) {
        return all == 0 ? 0 : round(BigDecimal.valueOf(off).multiply(BigDecimal.valueOf(part)).divide(BigDecimal.valueOf(all), MathContext.DECIMAL128));
    }

    /** The tax rates of a line: its item's, or else the invoice's. */
    private JsonNode rates(ObjectNode line) {
        var id = line.at("/parent/invoice_item_details/invoice_item").asText();
        var item = changed != null && id.equals(Json.text(changed, "id")) ? changed : tx.find(id);
        return item != null && !item.path("tax_rates").isEmpty() ? item.get("tax_rates") : invoice.get("default_tax_rates");
    }

    /** Adds the taxes of an amount to a list. Returns how much comes on top of it. */
    private long taxes(long amount, JsonNode rates, ArrayNode taxes) {
        var net = amount - included(amount, rates);
        var onTop = 0L;
        for (var rate : rates) {
            var inclusive = rate.get("inclusive").asBoolean();
            var tax = inclusive ? included(amount, rate, rates) : round(percent(BigDecimal.valueOf(net), rate));
            onTop += inclusive ? 0 : tax;
            taxes.addObject().put("amount", tax).put("tax_behavior", inclusive ? "inclusive" : "exclusive").put("taxability_reason", "not_available")
                    .put("taxable_amount", net).put("type", "tax_rate_details").putObject("tax_rate_details").set("tax_rate", rate.get("id"));
        }
        return onTop;
    }

    /** How much of an amount is tax. */
    private long included(long amount, JsonNode rates) {
        var sum = 0L;
        for (var rate : rates) {
            sum += rate.get("inclusive").asBoolean() ? included(amount, rate, rates) : 0;
        }
        return sum;
    }

    /** How much of an amount is the tax of one inclusive rate, among the others. */
    private long included(long amount, JsonNode rate, JsonNode rates) {
        var percentages = BigDecimal.ZERO;
        for (var one : rates) {
            percentages = one.get("inclusive").asBoolean() ? percentages.add(one.get("percentage").decimalValue()) : percentages;
        }
        return round(BigDecimal.valueOf(amount).multiply(rate.get("percentage").decimalValue()).divide(HUNDRED.add(percentages), MathContext.DECIMAL128));
    }

    private static BigDecimal percent(BigDecimal amount, JsonNode rate) {
        return amount.multiply(rate.get("percentage").decimalValue()).divide(HUNDRED, MathContext.DECIMAL128);
    }

    /** Adds up what the lines say of each discount or tax rate. */
    private void sumUp(String ofLine, String ofInvoice, String by) {
        Map<JsonNode, ObjectNode> sums = new LinkedHashMap<>();
        for (var line : lines) {
            for (var one : line.json.get(ofLine)) {
                var sum = sums.get(one.at(by));
                if (sum == null) {
                    sums.put(one.at(by), one.deepCopy());
                } else {
                    for (var field : List.of("amount", "taxable_amount")) {
                        if (one.has(field)) {
                            sum.put(field, sum.get(field).asLong() + one.get(field).asLong());
                        }
                    }
                }
            }
        }
        invoice.putArray(ofInvoice).addAll(sums.values());
    }

    private long shipping() {
        if (!(invoice.get("shipping_cost") instanceof ObjectNode cost)) {
            return 0;
        }
        var amount = tx.get(Resources.SHIPPING_RATES, Json.text(cost, "shipping_rate")).at("/fixed_amount/amount").asLong();
        cost.put("amount_subtotal", amount).put("amount_tax", 0).put("amount_total", amount);
        return amount;
    }

    private long round(BigDecimal amount) {
        return Currencies.round(currency, amount);
    }
}
