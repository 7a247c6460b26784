package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * What invoices, items and subscriptions take beside their amounts: tax rates, discounts and shipping.
 *
 * @see <a href="https://docs.stripe.com/invoicing/taxes/tax-rates">Tax rates</a>: five at most, whole objects in the answer
 * @see <a href="https://docs.stripe.com/api/discounts/object">Discounts</a>
 */
final class Extras {

    private static final int RATES_MOST = 5;

    private Extras() {
    }

    /** Sets an object's tax rates, when the parameter of that name was sent. */
    static void tax(Transaction tx, ObjectNode object, String field, ObjectNode values) {
        if (values.has(field)) {
            if (values.get(field).size() > RATES_MOST) {
                throw ApiError.invalid(null, "You can set up to " + RATES_MOST + " tax rates.", field);
            }
            var rates = object.putArray(field);
            for (var id : values.get(field)) {
                var rate = find(tx, Resources.TAX_RATES, id.asText(), field);
                if (!rate.get("active").asBoolean()) {
                    throw ApiError.invalid(null, "The tax rate " + id.asText() + " is archived: choose an active one.", field);
                }
                rates.add(rate);
            }
        }
    }

    /** Sets an object's discounts, when they were sent: coupons are redeemed, discounts that it has stay. */
    static void discount(Transaction tx, ObjectNode object, String place, ObjectNode values) {
        if (values.has("discounts")) {
            var discounts = Json.MAPPER.createArrayNode();
            for (var one : values.get("discounts")) {
                if (one.path("coupon").isTextual() == one.path("discount").isTextual()) {
                    throw ApiError.invalid(null, "Each discount needs either a coupon or a discount.", "discounts");
                }
                discounts.add(one.path("coupon").isTextual() ? redeem(tx, one.get("coupon").asText(), object, place).get("id")
                        : find(tx, Resources.DISCOUNTS, one.get("discount").asText(), "discounts").get("id"));
            }
            object.set("discounts", discounts);
        }
    }

    private static ObjectNode redeem(Transaction tx, String id, ObjectNode object, String place) {
        var coupon = find(tx, Resources.COUPONS, id, "discounts[coupon]");
        var most = coupon.path("max_redemptions").asLong(Long.MAX_VALUE);
        var times = coupon.get("times_redeemed").asLong();
        if (times >= most || coupon.path("redeem_by").asLong(Long.MAX_VALUE) < tx.now) {
            throw ApiError.invalid("coupon_expired", "Coupon expired: " + id, "discounts[coupon]");
        }
        if (coupon.path("currency").isTextual() && !coupon.get("currency").equals(object.get("currency"))) {
            throw ApiError.invalid(null, "The coupon " + id + " takes off " + Json.text(coupon, "currency") + ", but this is in " + Json.text(object, "currency") + ".", "discounts[coupon]");
        }
        tx.save(coupon.put("times_redeemed", times + 1).put("valid", times + 1 < most));
        var discount = Resources.template("discount").deepCopy().put("id", Resources.DISCOUNTS.ids().get()).put("start", tx.now);
        discount.set("customer", object.get("customer"));
        discount.set(place, object.get("id"));
        ((ObjectNode) discount.get("source")).put("coupon", id);
        discount.putObject("worth").<ObjectNode>set("amount_off", coupon.get("amount_off")).set("percent_off", coupon.get("percent_off"));
        return tx.create(Resources.DISCOUNTS, discount);
    }

    /** Sets an invoice's shipping rate, when one was sent, or the data to make one of. */
    static void ship(Transaction tx, ObjectNode invoice, ObjectNode values) {
        if (!values.has("shipping_cost")) {
            return;
        }
        var cost = values.get("shipping_cost");
        if (cost.isNull()) {
            invoice.putNull("shipping_cost");
            return;
        }
        if (cost.has("shipping_rate") == cost.has("shipping_rate_data")) {
            throw ApiError.invalid(null, "Send either shipping_rate or shipping_rate_data.", "shipping_cost");
        }
        var rate = cost.has("shipping_rate") ? find(tx, Resources.SHIPPING_RATES, cost.get("shipping_rate").asText(), "shipping_cost[shipping_rate]")
                : shippingRate(tx, (ObjectNode) cost.get("shipping_rate_data"));
        if (!rate.at("/fixed_amount/currency").equals(invoice.get("currency"))) {
            throw ApiError.invalid(null, "The shipping rate is in " + rate.at("/fixed_amount/currency").asText() + ", but the invoice is in " + Json.text(invoice, "currency") + ".",
                    "shipping_cost");
        }
        invoice.putObject("shipping_cost").set("shipping_rate", rate.get("id"));
    }

    private static ObjectNode shippingRate(Transaction tx, ObjectNode data) {
        var rate = Resources.template("shipping_rate").deepCopy().put("id", Resources.SHIPPING_RATES.ids().get()).put("created", tx.now);
        Resources.SHIPPING_RATES.params().apply("", data, rate);
        Resources.SHIPPING_RATES.lifecycle().create(tx, rate, data);
        return tx.create(Resources.SHIPPING_RATES, rate);
    }

    private static ObjectNode find(Transaction tx, Resource resource, String id, String param) {
        var object = tx.find(id);
        if (object == null || !resource.object().equals(Json.text((JsonNode) object, "object"))) {
            throw ApiError.missing(400, resource.object().replace('_', ' '), id, param);
        }
        return object;
    }
}
