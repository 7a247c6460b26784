package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.List;

/**
 * Invoice items: an amount of their own, or a unit amount or price times a quantity. They wait for the customer's next invoice, or go straight
 * into a draft.
 *
 * <p>A quantity has up to 12 decimals; {@code quantity} is its whole part. The amount is rounded half up, away from zero: Stripe documents that of
 * its taxes and fees (<a href="https://support.stripe.com/questions/rounding-rules-for-stripe-fees">0.025 is 0.03</a>), and that it is so of
 * amounts is assumed here.
 *
 * @see <a href="https://docs.stripe.com/api/invoiceitems">Invoice items</a>
 * @see <a href="https://docs.stripe.com/changelog/dahlia/2026-03-25/invoice-items-decimal-quantity">Decimal quantities</a>
 */
final class InvoiceItems implements Resource.Lifecycle {

    private static final List<String> PRICED_BY = List.of("amount", "unit_amount_decimal", "pricing", "price_data");

    @Override
    public void create(Transaction tx, ObjectNode item, ObjectNode values) {
        if (!values.has("period")) {
            ((ObjectNode) item.get("period")).put("start", tx.now).put("end", tx.now);
        }
        price(tx, item, values);
        if (item.path("currency").isNull()) {
            throw ApiError.invalid("parameter_missing", "Missing required param: currency.", "currency");
        }
        if (!values.has("discountable")) {
            item.put("discountable", item.get("amount").asLong() >= 0);
        }
        addExtras(tx, item, values);
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
        if (values.has("quantity") || values.has("quantity_decimal") || PRICED_BY.stream().anyMatch(values::has)) {
            price(tx, item, values);
        }
        addExtras(tx, item, values);
        if (draft != null) {
            Invoices.put(tx, draft, item);
        }
    }

    private static void addExtras(Transaction tx, ObjectNode item, ObjectNode values) {
        Extras.tax(tx, item, "tax_rates", values);
        Extras.discount(tx, item, "invoice_item", values);
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
        checkOneOf(values, PRICED_BY);
        checkOneOf(values, List.of("amount", "quantity", "quantity_decimal"));
        var pricing = item.get("pricing") instanceof ObjectNode before ? before : item.putObject("pricing").put("type", "price_details");
        if (values.has("pricing")) {
            use(item, pricing, price(tx, values.get("pricing").path("price").asText()), "pricing[price]");
        } else if (values.get("price_data") instanceof ObjectNode data) {
            var product = tx.find(data.get("product").asText());
            if (product == null || !"product".equals(Json.text(product, "object"))) {
                throw ApiError.missing(400, "product", data.get("product").asText(), "price_data[product]");
            }
            use(item, pricing, Prices.make(tx, data, product.get("id"), false), "price_data[currency]");
        } else if (values.has("unit_amount_decimal")) {
            pricing.put("unit_amount_decimal", values.get("unit_amount_decimal").asText()).remove("price_details");
        } else if (values.has("amount")) {
            pricing.put("unit_amount_decimal", values.get("amount").asText()).remove("price_details");
            item.put("quantity_decimal", "1");
        } else if (!pricing.has("unit_amount_decimal")) {
            throw ApiError.invalid("parameter_missing", "Send amount, unit_amount_decimal, pricing[price] or price_data.", "amount");
        }
        if (values.has("quantity") || values.has("quantity_decimal")) {
            item.put("quantity_decimal", plain((values.has("quantity") ? values.get("quantity") : values.get("quantity_decimal")).asText()));
        }
        var quantity = new BigDecimal(item.get("quantity_decimal").asText());
        var currency = Json.text(item, "currency");
        if (values.has("amount") || values.has("unit_amount_decimal")) {
            Currencies.check(currency, new BigDecimal(pricing.get("unit_amount_decimal").asText()), values.has("amount") ? "amount" : "unit_amount_decimal");
        }
        var price = tx.find(pricing.at("/price_details/price").asText());
        var exact = price == null ? new BigDecimal(pricing.get("unit_amount_decimal").asText()).multiply(quantity) : Prices.amount(price, quantity);
        var amount = BigDecimal.valueOf(Currencies.round(currency, exact));
        if (amount.abs().compareTo(BigDecimal.valueOf(Prices.MOST)) > 0) {
            throw ApiError.invalid("amount_too_large", "The total amount (quantity * unit amount) must be no more than " + Prices.MOST + ", but it is " + amount.toPlainString() + ".",
                    values.has("quantity") ? "quantity" : values.has("quantity_decimal") ? "quantity_decimal" : "amount");
        }
        item.put("amount", amount.longValueExact()).put("net_amount", amount.longValueExact()).put("quantity", quantity.longValue());
    }

    /** A decimal without an exponent and without trailing zeros: {@code 2.50} is {@code 2.5}. */
    private static String plain(String decimal) {
        var number = new BigDecimal(decimal);
        return number.signum() == 0 ? "0" : number.stripTrailingZeros().toPlainString();
    }

    /** Prices an item by a price, which gives an item that has no currency its own. */
    private static void use(ObjectNode item, ObjectNode pricing, ObjectNode price, String param) {
        if (!item.path("currency").isNull() && !item.get("currency").equals(price.get("currency"))) {
            throw ApiError.invalid(null, "The price is in " + Json.text(price, "currency") + ", but the item is in " + Json.text(item, "currency") + ".", param);
        }
        item.set("currency", price.get("currency"));
        pricing.set("unit_amount_decimal", price.get("unit_amount_decimal"));
        pricing.putObject("price_details").<ObjectNode>set("price", price.get("id")).set("product", price.get("product"));
    }

    private static ObjectNode price(Transaction tx, String id) {
        var price = tx.find(id);
        if (price == null || !"price".equals(Json.text(price, "object"))) {
            throw ApiError.missing(400, "price", id, "pricing[price]");
        }
        if (!price.get("active").asBoolean()) {
            throw ApiError.invalid(null, "The price specified is inactive. This field only accepts active prices.", "pricing[price]");
        }
        if (!"one_time".equals(Json.text(price, "type"))) {
            throw ApiError.invalid(null, "The price specified is set to type=recurring but this field only accepts prices with type=one_time.", "pricing[price]");
        }
        if (price.path("custom_unit_amount").isObject()) {
            throw ApiError.invalid(null, "The price specified has custom_unit_amount, which this field does not accept.", "pricing[price]");
        }
        return price;
    }

    private static void checkOneOf(JsonNode values, List<String> names) {
        var sent = names.stream().filter(values::has).toList();
        if (sent.size() > 1) {
            throw ApiError.invalid(null, "You may only specify one of these parameters: " + String.join(", ", sent) + ".", sent.get(1));
        }
    }
}
