package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * Invoice items: an amount of their own, or a unit amount or price times a quantity. They wait for the customer's next invoice, or go straight
 * into a draft.
 *
 * @see <a href="https://docs.stripe.com/api/invoiceitems">Invoice items</a>
 */
final class InvoiceItems implements Resource.Lifecycle {

    @Override
    public void create(Transaction tx, ObjectNode item, ObjectNode values) {
        if (!values.has("period")) {
            ((ObjectNode) item.get("period")).put("start", tx.now).put("end", tx.now);
        }
        price(tx, item, values);
        if (item.path("currency").isNull()) {
            throw ApiError.invalid("parameter_missing", "Missing required param: currency.", "currency");
        }
        var invoice = Json.text(item, "invoice");
        if (invoice != null) {
            var draft = draft(tx, invoice);
            if (!draft.get("customer").equals(item.get("customer")) || !draft.get("currency").equals(item.get("currency"))) {
                throw ApiError.invalid(null, "The invoice has another customer or currency than the item.", "invoice");
            }
            Invoices.put(tx, draft, item);
        }
    }

    @Override
    public void update(Transaction tx, ObjectNode item, ObjectNode values) {
        var invoice = Json.text(item, "invoice");
        var draft = invoice == null ? null : draft(tx, invoice);
        if (values.has("amount") || values.has("unit_amount_decimal") || values.has("pricing") || values.has("quantity")) {
            price(tx, item, values);
        }
        if (draft != null) {
            Invoices.put(tx, draft, item);
        }
    }

    @Override
    public void delete(Transaction tx, ObjectNode item) {
        var invoice = Json.text(item, "invoice");
        if (invoice != null) {
            Invoices.remove(tx, draft(tx, invoice), item);
        }
    }

    private static ObjectNode draft(Transaction tx, String id) {
        var invoice = tx.get(Resources.INVOICES, id);
        if (!Invoices.isDraft(invoice)) {
            throw ApiError.invalid("invoice_not_editable", "The invoice " + id + " is " + Json.text(invoice, "status") + ": the items of a draft only can be changed.", "invoice");
        }
        return invoice;
    }

    /** Works out the amount and what it is made of; what is not sent stays as it was. */
    private static void price(Transaction tx, ObjectNode item, ObjectNode values) {
        var quantity = item.path("quantity").asLong(1);
        var pricing = item.get("pricing") instanceof ObjectNode before ? before : item.putObject("pricing");
        if (values.has("pricing")) {
            var price = price(tx, values.get("pricing").path("price").asText());
            item.set("currency", price.get("currency"));
            pricing.put("type", "price_details").set("unit_amount_decimal", price.get("unit_amount_decimal"));
            pricing.putObject("price_details").<ObjectNode>set("price", price.get("id")).set("product", price.get("product"));
        } else if (values.has("unit_amount_decimal")) {
            pricing.set("unit_amount_decimal", values.get("unit_amount_decimal"));
        } else if (values.has("amount")) {
            var unit = new BigDecimal(values.get("amount").asLong()).divide(BigDecimal.valueOf(Math.max(1, quantity)), 12, RoundingMode.HALF_UP);
            pricing.put("unit_amount_decimal", unit.stripTrailingZeros().toPlainString());
        } else if (!pricing.has("unit_amount_decimal")) {
            throw ApiError.invalid("parameter_missing", "Send amount, unit_amount_decimal or pricing[price].", "amount");
        }
        var unit = new BigDecimal(pricing.get("unit_amount_decimal").asText());
        var amount = unit.multiply(BigDecimal.valueOf(quantity)).setScale(0, RoundingMode.HALF_UP).longValueExact();
        item.put("amount", amount).put("net_amount", amount).put("quantity", quantity).put("quantity_decimal", String.valueOf(quantity));
    }

    private static ObjectNode price(Transaction tx, String id) {
        var price = tx.find(id);
        if (price == null || !"price".equals(Json.text(price, "object"))) {
            throw ApiError.missing(400, "price", id, "pricing[price]");
        }
        return price;
    }
}
