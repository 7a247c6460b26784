package io.bactrian.sandbox.stripe;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Locale;
import java.util.Set;

/**
 * What amounts a currency has. All are integers in what Stripe calls the minor unit, which is not always the one of ISO 4217: ISK and UGX have no
 * decimals there, but two here.
 *
 * @see <a href="https://docs.stripe.com/currencies#special-cases">Special cases</a>: HUF and TWD have a rule for payouts only, of which there are none
 */
final class Currencies {

    private static final Set<String> HUNDREDS = Set.of("isk", "ugx");
    private static final Set<String> TENS = Set.of("bhd", "jod", "kwd", "omr", "tnd");

    private Currencies() {
    }

    /** The smallest amount, of which all are a multiple: 1, 10 or 100 minor units. */
    static long step(String currency) {
        return currency == null ? 1 : HUNDREDS.contains(currency) ? 100 : TENS.contains(currency) ? 10 : 1;
    }

    /**
     * Checks an amount that was sent. The words about ISK are those of
     * <a href="https://support.stripe.com/questions/deprecation-of-fractional-isk-charges-and-refunds">Stripe's announcement</a>; those about currencies
     * with three decimals are not documented, only the rule.
     *
     * @param currency in lower case, or null for none
     * @throws ApiError 400 when the currency has no such amount
     */
    static void check(String currency, long amount, String param) {
        var step = step(currency);
        if (amount % step != 0) {
            var code = currency.toUpperCase(Locale.ROOT);
            throw ApiError.invalid("invalid_charge_amount_no_decimal_compatible", "Invalid amount. Currency " + code
                    + (step == 100 ? " has become effectively zero-decimal and charged amounts must be evenly divisible by 100." : " has three decimals, the last of which must be 0: amounts must be evenly divisible by 10.")
                    + " See https://stripe.com/docs/currencies#special-cases for more information.", param);
        }
    }

    /** Checks a decimal amount, where it is whole; a price of less than the minor unit is possible in each currency. */
    static void check(String currency, BigDecimal amount, String param) {
        if (amount.stripTrailingZeros().scale() <= 0) {
            check(currency, amount.longValueExact(), param);
        }
    }

    /**
     * Rounds an amount that was worked out: half up, away from zero, to an amount that the currency has. Stripe documents the direction of taxes
     * only, and asks integrations to "round amounts to the nearest ten"; that its own figures are rounded likewise is assumed.
     */
    static long round(String currency, BigDecimal amount) {
        var step = BigDecimal.valueOf(step(currency));
        return amount.divide(step, 0, RoundingMode.HALF_UP).multiply(step).longValueExact();
    }
}
