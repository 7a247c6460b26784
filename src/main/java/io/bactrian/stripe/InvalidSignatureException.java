package io.bactrian.stripe;

/** A webhook that cannot be shown to come from Stripe. The message says why in a few words, and may be returned to the sender. */
public final class InvalidSignatureException extends RuntimeException {

    InvalidSignatureException(String reason) {
        super(reason);
    }
}
