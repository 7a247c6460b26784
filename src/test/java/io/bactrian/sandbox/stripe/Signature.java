package io.bactrian.sandbox.stripe;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Stripe's webhook signature: HMAC-SHA256 over {@code t + "." + body}, one {@code v1} per secret while secrets are being rotated.
 *
 * @see <a href="https://docs.stripe.com/webhooks/signature">Signatures</a>
 */
public final class Signature {

    private Signature() {
    }

    /**
     * The value of {@code Stripe-Signature}.
     *
     * @param time epoch seconds
     * @param body the bytes as they are sent
     * @param secrets {@code whsec_…}, one or more
     */
    public static String header(long time, byte[] body, List<String> secrets) {
        var header = new StringBuilder("t=").append(time);
        for (var secret : secrets) {
            header.append(",v1=").append(v1(time, body, secret));
        }
        return header.toString();
    }

    private static String v1(long time, byte[] body, String secret) {
        try {
            var mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
            mac.update((time + ".").getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(mac.doFinal(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("This JVM has no HmacSHA256", e);
        }
    }
}
