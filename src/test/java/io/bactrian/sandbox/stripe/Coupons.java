package io.bactrian.sandbox.stripe;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Coupons: a percentage or an amount off. Invoices and their items redeem them, as {@link Extras} has it.
 *
 * @see <a href="https://docs.stripe.com/api/coupons">Coupons</a>
 */
final class Coupons implements Resource.Lifecycle {

    @Override
    public void create(Transaction tx, ObjectNode coupon, ObjectNode values) {
        if (values.has("percent_off") == values.has("amount_off")) {
            throw ApiError.invalid(values.has("percent_off") ? null : "parameter_missing", "Send either percent_off or amount_off.", "percent_off");
        }
        if (values.has("amount_off") != values.has("currency")) {
            throw ApiError.invalid(values.has("currency") ? null : "parameter_missing", "amount_off and currency go together.", "currency");
        }
        Currencies.check(Json.text(coupon, "currency"), values.path("amount_off").asLong(), "amount_off");
        if (coupon.path("duration").asText().equals("repeating") != values.has("duration_in_months")) {
            throw ApiError.invalid(values.has("duration_in_months") ? null : "parameter_missing", "duration_in_months goes with duration=repeating, which needs it.", "duration_in_months");
        }
        if (values.has("redeem_by") && values.get("redeem_by").asLong() <= tx.now) {
            throw ApiError.invalid(null, "Invalid timestamp: must be an integer Unix timestamp in the future.", "redeem_by");
        }
    }
}
