package io.bactrian.stripe;

import java.nio.charset.StandardCharsets;
import java.security.InvalidKeyException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.camel.Body;
import org.apache.camel.Header;

/**
 * Tells whether a webhook comes from Stripe: its header {@code Stripe-Signature: t=…,v1=…} must hold the HMAC-SHA256 of {@code t.body}
 * under one of the endpoint's secrets, and {@code t} must be close to now. See
 * <a href="https://docs.stripe.com/webhooks/signatures">Stripe's description</a>.
 *
 * <p>As a bean: {@code camel.beans.stripeSignature = #class:io.bactrian.stripe.StripeSignature} and
 * {@code camel.beans.stripeSignature.secrets = {{stripe.webhook-secret}}}; in a route, before anything reads or changes the body,
 * {@code bean: {ref: stripeSignature, method: verify}}.
 */
public final class StripeSignature {

    /** What a check has found. */
    public enum Result {

        OK("the signature is valid"),
        NO_SECRET("no webhook secret is configured, so no webhook is accepted"),
        MISSING("the header Stripe-Signature is missing"),
        MALFORMED("the header Stripe-Signature is malformed"),
        NO_MATCH("no signature in the header Stripe-Signature matches the body"),
        STALE("the time in the header Stripe-Signature is too far from now");

        private final String reason;

        Result(String reason) {
            this.reason = reason;
        }

        /** The same in words, safe to show to the sender. */
        public String reason() {
            return reason;
        }
    }

    private static final String ALGORITHM = "HmacSHA256";

    private final Clock clock;
    private volatile List<Mac> macs = List.of();
    private volatile Duration tolerance = Duration.ofMinutes(5);

    public StripeSignature() {
        this(Clock.systemUTC());
    }

    /** With a clock of the caller's own. */
    public StripeSignature(Clock clock) {
        this.clock = clock;
    }

    /** The endpoint's signing secrets ({@code whsec_…}), comma-separated: two while one replaces the other. None refuses every webhook. */
    public void setSecrets(String secrets) {
        this.macs = Arrays.stream(secrets.split(",")).map(String::strip).filter(secret -> !secret.isEmpty()).map(StripeSignature::mac).toList();
    }

    /** How far the webhook's time may be from now, in both directions: 5 minutes by default, in whole seconds. */
    public void setTolerance(Duration tolerance) {
        if (tolerance.isNegative()) {
            throw new IllegalArgumentException("The tolerance of a webhook's time must not be negative");
        }
        this.tolerance = tolerance;
    }

    /**
     * Lets a genuine webhook pass.
     *
     * @param signature the header {@code Stripe-Signature}
     * @param body      the body exactly as it arrived
     * @throws InvalidSignatureException for any other, with a reason that may be shown to the sender
     */
    public void verify(@Header("Stripe-Signature") String signature, @Body byte[] body) {
        var result = check(signature, body);
        if (result != Result.OK) {
            throw new InvalidSignatureException(result.reason());
        }
    }

    /** Tells whether a webhook is genuine, or why not. Arguments as in {@link #verify}; each may be null. */
    public Result check(String signature, byte[] body) {
        if (macs.isEmpty()) {
            return Result.NO_SECRET;
        }
        if (signature == null || signature.isBlank()) {
            return Result.MISSING;
        }
        String time = null;
        var candidates = new ArrayList<byte[]>();
        for (var element : signature.split(",")) {
            var pair = element.strip().split("=", 2);
            if (pair.length != 2 || pair[0].equals("t") && time != null) {
                return Result.MALFORMED;
            }
            if (pair[0].equals("t")) {
                time = pair[1];
            } else if (pair[0].equals("v1")) {
                candidates.add(pair[1].getBytes(StandardCharsets.UTF_8));
            }
        }
        if (time == null || !time.matches("[0-9]{1,12}") || candidates.isEmpty()) {
            return Result.MALFORMED;
        }
        if (!matches(time, body == null ? new byte[0] : body, candidates)) {
            return Result.NO_MATCH;
        }
        var age = Math.abs(clock.instant().getEpochSecond() - Long.parseLong(time));
        return age <= tolerance.toSeconds() ? Result.OK : Result.STALE;
    }

    private boolean matches(String time, byte[] body, List<byte[]> candidates) {
        for (var mac : macs) {
            var copy = copy(mac);
            copy.update((time + ".").getBytes(StandardCharsets.UTF_8));
            var expected = HexFormat.of().formatHex(copy.doFinal(body)).getBytes(StandardCharsets.UTF_8);
            for (var candidate : candidates) {
                if (MessageDigest.isEqual(expected, candidate)) {
                    return true;
                }
            }
        }
        return false;
    }

    /** A Mac with the key already set up, which is the costly part. */
    private static Mac mac(String secret) {
        try {
            var mac = Mac.getInstance(ALGORITHM);
            mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), ALGORITHM));
            return mac;
        } catch (NoSuchAlgorithmException | InvalidKeyException e) {
            throw new IllegalStateException("Java without " + ALGORITHM, e);
        }
    }

    /** A Mac for one webhook, because none is safe for two threads. */
    private static Mac copy(Mac mac) {
        try {
            return (Mac) mac.clone();
        } catch (CloneNotSupportedException e) {
            throw new IllegalStateException(ALGORITHM + " cannot be copied", e);
        }
    }
}
