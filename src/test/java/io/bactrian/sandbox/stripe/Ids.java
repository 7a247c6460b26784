package io.bactrian.sandbox.stripe;

import java.security.SecureRandom;

/**
 * Ids in the shapes Stripe gives them: {@code cus_} and {@code prod_} with 14 random characters, {@code in_1…} and {@code evt_1…} with 24.
 * An id is random, never a function of a seed: two runs over one state must not meet.
 */
final class Ids {

    private static final char[] ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".toCharArray();
    private static final SecureRandom SEED = new SecureRandom();
    private static final ThreadLocal<java.util.SplittableRandom> RANDOM =
            ThreadLocal.withInitial(() -> new java.util.SplittableRandom(SEED.nextLong()));

    private Ids() {
    }

    static String shortId(String prefix) {
        return prefix + random(14);
    }

    static String longId(String prefix) {
        return prefix + "1" + random(23);
    }

    static String secret() {
        return "whsec_" + random(32);
    }

    private static String random(int length) {
        var random = RANDOM.get();
        var text = new char[length];
        for (var i = 0; i < length; i++) {
            text[i] = ALPHABET[random.nextInt(ALPHABET.length)];
        }
        return new String(text);
    }
}
