package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.List;
import java.util.stream.Stream;

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

    /**
     * What is left out unless it is expanded.
     *
     * @see <a href="https://docs.stripe.com/api/prices/object#price_object-currency_options">Currency options</a>
     */
    static final List<String> SHOWN_WHEN_ASKED = List.of("currency_options", "tiers");

    @Override
    public void create(Transaction tx, ObjectNode price, ObjectNode values) {
        var tiered = "tiered".equals(Json.text(values, "billing_scheme"));
        var ways = Stream.of(values.has("unit_amount"), values.has("unit_amount_decimal"), values.has("custom_unit_amount"), tiered).filter(way -> way).count();
        if (ways != 1) {
            throw ApiError.invalid(ways > 1 ? null : "parameter_missing", "Send one of unit_amount, unit_amount_decimal, custom_unit_amount and billing_scheme=tiered.", "unit_amount");
        }
        if (tiered != values.has("tiers") || tiered != values.has("tiers_mode")) {
            throw ApiError.invalid("parameter_missing", "billing_scheme=tiered, tiers and tiers_mode go together.", "tiers");
        }
        takeLookupKey(tx, price, values);
        if (values.has("unit_amount")) {
            price.put("unit_amount_decimal", values.get("unit_amount").asText());
        } else if (values.has("unit_amount_decimal")) {
            var decimal = new BigDecimal(values.get("unit_amount_decimal").asText()).stripTrailingZeros();
            price.set("unit_amount", decimal.scale() <= 0 ? JsonNodeFactory.instance.numberNode(decimal.longValueExact()) : JsonNodeFactory.instance.nullNode());
        }
        if (values.has("recurring")) {
            price.put("type", "recurring");
            var recurring = (ObjectNode) price.get("recurring");
            if (!recurring.has("trial_period_days")) {
                recurring.putNull("trial_period_days");
            }
            if (recurring.path("interval_count").isNull()) {
                recurring.put("interval_count", 1);
            }
            if (recurring.path("usage_type").isNull()) {
                recurring.put("usage_type", "licensed");
            }
        }
    }

    /** A lookup key is in one price at a time: another one gives it up when it is told to. */
    private static void takeLookupKey(Transaction tx, ObjectNode price, ObjectNode values) {
        var key = Json.text(values, "lookup_key");
        if (key == null) {
            return;
        }
        for (var other : tx.where(Resources.PRICES, "lookup_key", key)) {
            if (!other.get("id").equals(price.get("id"))) {
                if (!values.path("transfer_lookup_key").asBoolean()) {
                    throw ApiError.invalid(null, "A price (`" + Json.text(other, "id") + "`) already uses that lookup key.", "lookup_key");
                }
                tx.save(other.putNull("lookup_key"));
            }
        }
    }

    @Override
    public void update(Transaction tx, ObjectNode price, ObjectNode values) {
        takeLookupKey(tx, price, values);
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
