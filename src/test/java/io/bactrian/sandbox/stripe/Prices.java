package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.stream.Stream;

/**
 * Prices: one-time or recurring, of a unit, of a package, in tiers, or as the customer likes. The amount is both an integer, null where it is less
 * than a minor unit, and a decimal.
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

    /** What is shown only to who asks for it by {@code expand[]}. */
    static final List<String> EXPANDABLE = List.of("currency_options", "tiers");

    @Override
    public void create(Transaction tx, ObjectNode price, ObjectNode values) {
        var tiered = "tiered".equals(Json.text(values, "billing_scheme"));
        if (tiered != values.has("tiers") || tiered != values.has("tiers_mode")) {
            throw ApiError.invalid(tiered ? "parameter_missing" : null, "billing_scheme=tiered, tiers and tiers_mode go together.", values.has("tiers") ? "tiers_mode" : "tiers");
        }
        var ways = Stream.of("unit_amount", "unit_amount_decimal", "custom_unit_amount").filter(values::has).toList();
        if (ways.size() != (tiered ? 0 : 1)) {
            throw ApiError.invalid(ways.isEmpty() ? "parameter_missing" : null,
                    tiered ? "A tiered price has its amounts in its tiers." : "Send either unit_amount or unit_amount_decimal, or custom_unit_amount.", "unit_amount");
        }
        var currency = Json.text(price, "currency");
        worth(price, values, currency, "");
        if (tiered) {
            price.set("tiers", tiers(values.get("tiers"), currency, "tiers"));
            if (values.has("transform_quantity")) {
                throw ApiError.invalid(null, "transform_quantity does not go with tiers.", "transform_quantity");
            }
        }
        var options = price.putObject("currency_options");
        addOptions(price, options, values);
        if (values.has("recurring")) {
            price.put("type", "recurring");
            var recurring = (ObjectNode) price.get("recurring");
            if (recurring.path("trial_period_days").isMissingNode()) {
                recurring.putNull("trial_period_days");
            }
            if (recurring.path("interval_count").isNull()) {
                recurring.put("interval_count", 1);
            }
            if (recurring.path("usage_type").isNull()) {
                recurring.put("usage_type", "licensed");
            }
            if (recurring.path("meter").isTextual() && !"metered".equals(Json.text(recurring, "usage_type"))) {
                throw ApiError.invalid(null, "A meter goes with usage_type=metered only.", "recurring[meter]");
            }
        }
        takeLookupKey(tx, price, values);
    }

    @Override
    public void update(Transaction tx, ObjectNode price, ObjectNode values) {
        var product = price.get("active").asBoolean() ? null : tx.find(Json.text(price, "product"));
        if (product != null && price.get("id").equals(product.get("default_price"))) {
            throw ApiError.invalid(null, "This price cannot be archived because it is the default price of its product.", "active");
        }
        var before = tx.find(Json.text(price, "id"));
        if (!"unspecified".equals(Json.text(before, "tax_behavior")) && !before.get("tax_behavior").equals(price.get("tax_behavior"))) {
            throw ApiError.invalid(null, "tax_behavior can be set once: after it is inclusive or exclusive it cannot be changed.", "tax_behavior");
        }
        if (values.has("currency_options")) {
            addOptions(price, price.get("currency_options") instanceof ObjectNode options ? options : price.putObject("currency_options"), values);
        }
        takeLookupKey(tx, price, values);
    }

    /** A price as calls and events show it. */
    static ObjectNode shown(ObjectNode price) {
        return price.without(EXPANDABLE);
    }

    /**
     * What a quantity of a price comes to, in the minor unit and rounded. Packages are rounded up or down to whole ones. Stripe makes a line of each
     * tier that is used; here they are one.
     */
    static BigDecimal amount(JsonNode price, BigDecimal quantity) {
        if (price.path("tiers").isArray()) {
            return tiered(price, quantity);
        }
        var pack = price.path("transform_quantity");
        var units = pack.isObject() ? quantity.divide(pack.get("divide_by").decimalValue(), 0, "up".equals(Json.text(pack, "round")) ? RoundingMode.UP : RoundingMode.DOWN)
                : quantity;
        return decimal(price, "unit_amount").multiply(units);
    }

    /** @see <a href="https://docs.stripe.com/products-prices/pricing-models#tiered-pricing">Tiered pricing</a>: by volume, one tier rules; graduated, each its part */
    private static BigDecimal tiered(JsonNode price, BigDecimal quantity) {
        var volume = "volume".equals(Json.text(price, "tiers_mode"));
        var sum = BigDecimal.ZERO;
        var below = BigDecimal.ZERO;
        for (var tier : price.get("tiers")) {
            var last = tier.path("up_to").isNull();
            var upTo = last ? quantity : tier.get("up_to").decimalValue().min(quantity);
            var inside = last || quantity.compareTo(tier.get("up_to").decimalValue()) <= 0;
            if (volume && inside) {
                return decimal(tier, "unit_amount").multiply(quantity).add(decimal(tier, "flat_amount"));
            }
            if (!volume && (upTo.compareTo(below) > 0 || below.signum() == 0)) {
                sum = sum.add(decimal(tier, "unit_amount").multiply(upTo.subtract(below))).add(decimal(tier, "flat_amount"));
                below = upTo;
            }
            if (inside) {
                break;
            }
        }
        return sum;
    }

    private static BigDecimal decimal(JsonNode node, String field) {
        var text = Json.text(node, field + "_decimal");
        return text == null ? BigDecimal.ZERO : new BigDecimal(text);
    }

    /** Sets the amount of a price, or of its option in another currency, from what was sent. */
    private static void worth(ObjectNode target, JsonNode values, String currency, String prefix) {
        target.putNull("unit_amount").putNull("unit_amount_decimal").putNull("custom_unit_amount");
        if (values.path("custom_unit_amount") instanceof ObjectNode custom) {
            if (!custom.path("enabled").asBoolean()) {
                throw ApiError.invalid(null, "custom_unit_amount[enabled] must be true: leave custom_unit_amount out otherwise.", name(prefix, "custom_unit_amount"));
            }
            var shown = target.putObject("custom_unit_amount");
            for (var field : List.of("maximum", "minimum", "preset")) {
                shown.set(field, custom.path(field).isNumber() ? custom.get(field) : JsonNodeFactory.instance.nullNode());
                Currencies.check(currency, custom.path(field).asLong(), name(name(prefix, "custom_unit_amount"), field));
            }
        } else {
            amount(target, values, "unit_amount", currency, prefix);
        }
    }

    /** Sets an amount both ways, from what was sent either way; null where nothing was. */
    private static void amount(ObjectNode target, JsonNode values, String field, String currency, String prefix) {
        var name = values.has(field) ? field : field + "_decimal";
        if (values.has(field) && values.has(field + "_decimal")) {
            throw ApiError.invalid(null, "Send either " + field + " or " + field + "_decimal.", name(prefix, field));
        }
        target.putNull(field).putNull(field + "_decimal");
        if (values.has(name)) {
            var decimal = new BigDecimal(values.get(name).asText());
            Currencies.check(currency, decimal, name(prefix, name));
            target.put(field + "_decimal", values.get(name).asText());
            if (decimal.stripTrailingZeros().scale() <= 0) {
                target.put(field, decimal.longValueExact());
            }
        }
    }

    private static JsonNode tiers(JsonNode sent, String currency, String prefix) {
        var tiers = JsonNodeFactory.instance.arrayNode();
        var below = 0L;
        for (var values : sent) {
            var at = prefix + "[" + tiers.size() + "]";
            var upTo = values.get("up_to").asText();
            var last = tiers.size() == sent.size() - 1;
            if (last != upTo.equals("inf") || !last && Long.parseLong(upTo) <= below) {
                throw ApiError.invalid(null, "Each tier must end above the one before it, and the last one with up_to=inf.", at + "[up_to]");
            }
            var tier = tiers.addObject();
            amount(tier, values, "flat_amount", currency, at);
            amount(tier, values, "unit_amount", currency, at);
            if (last) {
                tier.putNull("up_to");
            } else {
                below = Long.parseLong(upTo);
                tier.put("up_to", below);
            }
        }
        return tiers;
    }

    /** Sets the options in other currencies that were sent, and the one in its own. */
    private static void addOptions(ObjectNode price, ObjectNode options, ObjectNode values) {
        values.path("currency_options").fields().forEachRemaining(entry -> {
            var at = "currency_options[" + entry.getKey() + "]";
            var option = options.putObject(entry.getKey());
            option.put("tax_behavior", entry.getValue().path("tax_behavior").asText("unspecified"));
            worth(option, entry.getValue(), entry.getKey(), at);
            if (entry.getValue().has("tiers")) {
                option.set("tiers", tiers(entry.getValue().get("tiers"), entry.getKey(), at + "[tiers]"));
            }
        });
        var own = options.putObject(Json.text(price, "currency"));
        for (var field : List.of("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")) {
            own.set(field, price.get(field));
        }
    }

    /**
     * A lookup key belongs to one price, active or not. Stripe's words were seen by others, in
     * <a href="https://github.com/stripe/stripe-ruby/issues/933">stripe-ruby#933</a>.
     */
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
                tx.update(Resources.PRICES, other.putNull("lookup_key"));
            }
        }
    }

    private static String name(String prefix, String field) {
        return prefix.isEmpty() ? field : prefix + "[" + field + "]";
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
