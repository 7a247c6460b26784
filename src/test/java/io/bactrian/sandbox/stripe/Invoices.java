package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.bactrian.sandbox.stripe.Resource.Action;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The life of an invoice: a draft takes items, finalizing fixes its amounts, then it is paid, voided or given up.
 *
 * <p>There is no money here: paying an open invoice always succeeds, as if the customer had a card that works.
 *
 * <p>The invoices of a deleted customer stay as they are, since they are the books: they can be read, paid, voided and given up, and a draft can
 * be changed and deleted. Only finalizing it is refused, and new items. Stripe documents no more than that subscriptions are cancelled.
 *
 * @see <a href="https://docs.stripe.com/invoicing/overview">How invoices work</a>
 */
final class Invoices implements Resource.Lifecycle {

    private static final int LINES_SHOWN = 10;

    /** As of <a href="https://docs.stripe.com/changelog/2016-02-22/no-more-than-250-invoice-items">2016-02-22</a>. */
    private static final int LINES_MOST = 250;
    private static final long DAY_SECONDS = 24 * 3600;
    private static final Params NONE = new Params();

    static final Map<String, Action> ACTIONS = Map.of(
            "finalize", new Action(new Params(Param.param("auto_advance", Type.bool())), Invoices::finish),
            "pay", new Action(new Params(Param.param("paid_out_of_band", Type.bool()), Param.param("payment_method", Type.text(5000))), Invoices::pay),
            "send", new Action(NONE, Invoices::send),
            "void", new Action(NONE, Invoices::cancel),
            "mark_uncollectible", new Action(NONE, Invoices::giveUp));

    @Override
    public void create(Transaction tx, ObjectNode invoice, ObjectNode values) {
        var customer = tx.get(Resources.CUSTOMERS, Json.text(invoice, "customer"));
        if (invoice.path("currency").isNull()) {
            invoice.set("currency", customer.path("currency").isTextual() ? customer.get("currency") : Json.MAPPER.getNodeFactory().textNode("usd"));
        }
        addressTo(invoice, customer);
        invoice.put("period_start", tx.now).put("period_end", tx.now);
        ((ObjectNode) invoice.get("lines")).put("url", "/v1/invoices/" + Json.text(invoice, "id") + "/lines");
        setDueDate(tx, invoice, values);
        if ("include".equals(Json.text(values, "pending_invoice_items_behavior"))) {
            var pending = new ArrayList<>(tx.where(Resources.INVOICE_ITEMS, "customer", Json.text(invoice, "customer")));
            pending.removeIf(item -> Json.text(item, "invoice") != null || !item.get("currency").equals(invoice.get("currency")));
            Collections.reverse(pending);
            for (var item : pending) {
                item.set("invoice", invoice.get("id"));
                tx.save(item);
                lines(invoice).add(line(tx, item));
            }
        }
        addExtras(tx, invoice, values);
        Figures.workOut(tx, invoice);
    }

    private static void addExtras(Transaction tx, ObjectNode invoice, ObjectNode values) {
        Extras.tax(tx, invoice, "default_tax_rates", values);
        Extras.discount(tx, invoice, "invoice", values);
        Extras.ship(tx, invoice, values);
    }

    @Override
    public void update(Transaction tx, ObjectNode invoice, ObjectNode values) {
        if (!isDraft(invoice)) {
            values.fieldNames().forEachRemaining(name -> {
                if (!Set.of("metadata", "auto_advance", "expand").contains(name)) {
                    throw ApiError.invalid("invoice_not_editable", "This invoice is " + Json.text(invoice, "status") + ": only a draft's " + name + " can be changed.", name);
                }
            });
        }
        setDueDate(tx, invoice, values);
        if (values.has("default_tax_rates") || values.has("discounts") || values.has("shipping_cost")) {
            addExtras(tx, invoice, values);
            Figures.workOut(tx, invoice);
        }
    }

    @Override
    public void delete(Transaction tx, ObjectNode invoice) {
        if (!isDraft(invoice)) {
            throw ApiError.invalid("invoice_not_editable", "Only a draft invoice can be deleted; this one is " + Json.text(invoice, "status") + ": void it.", "id");
        }
        tx.where(Resources.INVOICE_ITEMS, "invoice", Json.text(invoice, "id")).forEach(item -> tx.delete(Resources.INVOICE_ITEMS, item));
    }

    static boolean isDraft(JsonNode invoice) {
        return "draft".equals(Json.text(invoice, "status"));
    }

    /** Puts an item's line into a draft, or replaces it there. */
    static void put(Transaction tx, ObjectNode invoice, ObjectNode item) {
        var lines = lines(invoice);
        var line = line(tx, item);
        var index = indexOf(lines, line.get("id"));
        if (index < 0 && lines.size() == LINES_MOST) {
            throw ApiError.invalid(null, "An invoice can have up to " + LINES_MOST + " items.", "invoice");
        } else if (index < 0) {
            lines.add(line);
        } else {
            lines.set(index, line);
        }
        Figures.workOut(tx, invoice, item);
        tx.update(Resources.INVOICES, invoice);
    }

    /** Takes an item's line out of a draft. */
    static void remove(Transaction tx, ObjectNode invoice, ObjectNode item) {
        var index = indexOf(lines(invoice), lineId(item));
        if (index >= 0) {
            lines(invoice).remove(index);
        }
        Figures.workOut(tx, invoice);
        tx.update(Resources.INVOICES, invoice);
    }

    /**
     * An invoice shows its first ten lines; the others are at {@code /v1/invoices/{id}/lines}. Its hosted page has another address each
     * second: that of {@code https://docs.stripe.com/api/invoices/object} ends in the time at which it was shown.
     */
    static ObjectNode shown(ObjectNode invoice) {
        if (invoice.path("hosted_invoice_url").isTextual()) {
            invoice.put("hosted_invoice_url", Json.text(invoice, "hosted_invoice_url") + "?s=" + Instant.now().getEpochSecond());
        }
        var lines = lines(invoice);
        if (lines.size() > LINES_SHOWN) {
            while (lines.size() > LINES_SHOWN) {
                lines.remove(lines.size() - 1);
            }
            ((ObjectNode) invoice.get("lines")).put("has_more", true);
        }
        return invoice;
    }

    private static void finish(Transaction tx, ObjectNode invoice, ObjectNode values) {
        expect(invoice, "finalized", "draft");
        var customer = tx.find(Json.text(invoice, "customer"));
        if (customer == null) {
            throw ApiError.missing(400, "customer", Json.text(invoice, "customer"), "customer");
        }
        addressTo(invoice, customer);
        if (invoice.path("number").isNull()) {
            var sequence = customer.path("next_invoice_sequence").asLong();
            invoice.put("number", Json.text(customer, "invoice_prefix") + "-" + String.format("%04d", sequence));
            tx.save(customer.put("next_invoice_sequence", sequence + 1));
        }
        var url = "https://invoice.stripe.com/i/acct_simulator/" + Json.text(invoice, "id");
        invoice.put("status", "open").put("hosted_invoice_url", url).put("invoice_pdf", url + "/pdf");
        if (invoice.path("effective_at").isNull()) {
            invoice.put("effective_at", tx.now);
        }
        if (values.has("auto_advance")) {
            invoice.set("auto_advance", values.get("auto_advance"));
        }
        transition(invoice, "finalized_at", tx.now);
        save(tx, invoice, "finalized");
        if (invoice.path("amount_due").asLong() == 0) {
            settle(tx, invoice);
        }
    }

    private static void pay(Transaction tx, ObjectNode invoice, ObjectNode values) {
        if (isDraft(invoice)) {
            finish(tx, invoice, values);
            if ("paid".equals(Json.text(invoice, "status"))) {
                return;
            }
        }
        expect(invoice, "paid", "open", "uncollectible");
        if (!values.path("paid_out_of_band").asBoolean()) {
            invoice.put("attempted", true).put("attempt_count", 1);
        }
        settle(tx, invoice);
    }

    private static void send(Transaction tx, ObjectNode invoice, ObjectNode values) {
        if (!"send_invoice".equals(Json.text(invoice, "collection_method"))) {
            throw ApiError.invalid(null, "Only an invoice with collection_method=send_invoice can be sent.", null);
        }
        if (isDraft(invoice)) {
            finish(tx, invoice, values);
        }
        save(tx, invoice, "sent");
    }

    private static void cancel(Transaction tx, ObjectNode invoice, ObjectNode values) {
        expect(invoice, "voided", "open", "uncollectible");
        invoice.put("status", "void");
        transition(invoice, "voided_at", tx.now);
        save(tx, invoice, "voided");
    }

    private static void giveUp(Transaction tx, ObjectNode invoice, ObjectNode values) {
        expect(invoice, "marked uncollectible", "open");
        invoice.put("status", "uncollectible");
        transition(invoice, "marked_uncollectible_at", tx.now);
        save(tx, invoice, "marked_uncollectible");
    }

    private static void settle(Transaction tx, ObjectNode invoice) {
        invoice.put("status", "paid").put("amount_remaining", 0).set("amount_paid", invoice.get("amount_due"));
        transition(invoice, "paid_at", tx.now);
        save(tx, invoice, "paid", "payment_succeeded");
    }

    /** Saves a step of an invoice's life, whose events show it as it is now. */
    private static void save(Transaction tx, ObjectNode invoice, String... what) {
        tx.update(Resources.INVOICES, invoice);
        for (var event : what) {
            tx.event(Resources.INVOICES, event, invoice);
        }
    }

    /** Until it is finalized, an invoice has the customer's particulars. */
    private static void addressTo(ObjectNode invoice, ObjectNode customer) {
        for (var field : List.of("address", "email", "name", "phone")) {
            invoice.set("customer_" + field, customer.get(field));
        }
    }

    private static void transition(ObjectNode invoice, String name, long time) {
        ((ObjectNode) invoice.get("status_transitions")).put(name, time);
    }

    private static void expect(ObjectNode invoice, String what, String... statuses) {
        var status = Json.text(invoice, "status");
        if (!List.of(statuses).contains(status)) {
            throw ApiError.invalid(null, "An invoice that is " + status + " cannot be " + what + ".", null);
        }
    }

    private static void setDueDate(Transaction tx, ObjectNode invoice, ObjectNode values) {
        var sent = "send_invoice".equals(Json.text(invoice, "collection_method"));
        if (values.has("days_until_due")) {
            invoice.put("due_date", tx.now + values.get("days_until_due").asLong() * DAY_SECONDS);
        }
        if (sent && invoice.path("due_date").isNull()) {
            throw ApiError.invalid("parameter_missing", "An invoice with collection_method=send_invoice needs days_until_due or due_date.", "days_until_due");
        }
        if (!sent && !values.has("due_date")) {
            invoice.putNull("due_date");
        }
        if (!sent && (values.has("days_until_due") || values.has("due_date"))) {
            throw ApiError.invalid(null, "days_until_due and due_date go with collection_method=send_invoice only.", "days_until_due");
        }
    }

    /** The line of an item. One without a description shows the name of its product. */
    private static ObjectNode line(Transaction tx, ObjectNode item) {
        var line = Resources.template("line_item").deepCopy();
        for (var field : List.of("amount", "currency", "description", "discountable", "discounts", "invoice", "metadata", "period", "pricing", "quantity", "quantity_decimal")) {
            line.set(field, item.get(field));
        }
        var product = tx.find(item.at("/pricing/price_details/product").asText());
        if (item.path("description").isNull() && product != null) {
            line.set("description", product.get("name"));
        }
        line.set("id", lineId(item));
        ((ObjectNode) line.get("parent").get("invoice_item_details")).set("invoice_item", item.get("id"));
        return line;
    }

    private static JsonNode lineId(ObjectNode item) {
        return TextNode.valueOf(Json.text(item, "id").replaceFirst("^ii_", "il_"));
    }

    private static ArrayNode lines(ObjectNode invoice) {
        return (ArrayNode) invoice.get("lines").get("data");
    }

    private static int indexOf(ArrayNode lines, JsonNode id) {
        for (var i = 0; i < lines.size(); i++) {
            if (lines.get(i).get("id").equals(id)) {
                return i;
            }
        }
        return -1;
    }
}
