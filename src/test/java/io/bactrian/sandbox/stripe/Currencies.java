package io.bactrian.sandbox.stripe;

import java.math.BigDecimal;
import java.math.RoundingMode;
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
        return HUNDREDS.contains(currency) ? 100 : TENS.contains(currency) ? 10 : 1;
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
