package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;

/**
 * Prices: one-time or recurring, with the amount both as an integer and as a decimal.
 *
 * @see <a href="https://docs.stripe.com/api/prices">Prices</a>
 */
final class Prices implements Resource.Lifecycle {

    /**
     * Amounts have at most eight digits.
     *
     * @see <a href="https://docs.stripe.com/api/charges/object#charge_object-amount">Where Stripe says so</a>. Some currencies may have more, which
     *      is not done here
     */
    static final long MOST = 99_999_999;

    @Override
    public void create(Transaction tx, ObjectNode price, ObjectNode values) {
        if (values.has("unit_amount") == values.has("unit_amount_decimal")) {
            throw ApiError.invalid(values.has("unit_amount") ? null : "parameter_missing", "Send either unit_amount or unit_amount_decimal.", "unit_amount");
        }
        if (values.has("unit_amount")) {
            price.put("unit_amount_decimal", values.get("unit_amount").asText());
        } else {
            var decimal = new BigDecimal(values.get("unit_amount_decimal").asText()).stripTrailingZeros();
            price.set("unit_amount", decimal.scale() <= 0 ? JsonNodeFactory.instance.numberNode(decimal.longValueExact()) : JsonNodeFactory.instance.nullNode());
        }
        if (values.has("recurring")) {
            price.put("type", "recurring");
            var recurring = (ObjectNode) price.get("recurring");
            recurring.putNull("trial_period_days");
            if (recurring.path("interval_count").isNull()) {
                recurring.put("interval_count", 1);
            }
            if (recurring.path("usage_type").isNull()) {
                recurring.put("usage_type", "licensed");
            }
        }
    }

    @Override
    public void update(Transaction tx, ObjectNode price, ObjectNode values) {
        var product = price.get("active").asBoolean() ? null : tx.find(Json.text(price, "product"));
        if (product != null && price.get("id").equals(product.get("default_price"))) {
            throw ApiError.invalid(null, "This price cannot be archived because it is the default price of its product.", "active");
        }
    }

    /**
     * Makes a price as part of another call, with its event.
     *
     * @param data the values of {@code price_data} or the like
     */
    static ObjectNode make(Transaction tx, ObjectNode data, JsonNode product, boolean active) {
        var price = Resources.template("price").deepCopy().put("id", Ids.longId("price_")).put("created", tx.now).put("active", active);
        price.set("product", product);
        Resources.PRICES.params().apply("", data.deepCopy().without("product"), price);
        new Prices().create(tx, price, data);
        return tx.create(Resources.PRICES, price);
    }
}
