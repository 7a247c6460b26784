package io.bactrian.sandbox.stripe;

import java.util.Locale;

/**
 * What can be made to go wrong, by probability or for the next n calls or webhooks: see {@link Faults}.
 *
 * <p>A reset makes Java's {@code HttpURLConnection}, and so stripe-java, silently send the request once more on a new connection, POST included:
 * for the caller to see one, let two happen in a row. A hang has no such cushion.
 */
public enum Fault {

    /** 429 with {@code Retry-After} and {@code Stripe-Rate-Limited-Reason}, before anything happens; not kept under the idempotency key. */
    TOO_MANY_REQUESTS,
    /** 429 with code {@code lock_timeout} and {@code Stripe-Should-Retry: true}, before anything happens; not kept either. */
    LOCK_TIMEOUT,
    /** 500, nothing done; kept under the idempotency key and replayed for it, as Stripe has it. */
    SERVER_ERROR,
    /** The connection is closed before anything happens. */
    RESET_BEFORE_COMMIT,
    /** The call is carried out, then the connection is closed without an answer. */
    RESET_AFTER_COMMIT,
    /** The call is carried out, then never answered: the caller runs into its time-out. */
    HANG_AFTER_COMMIT,
    /** The call is carried out, and answered 200 without a body, as a proxy may do. */
    ANSWER_WITHOUT_BODY,
    /** The call is carried out, and answered 200 with an object that has no fields. */
    ANSWER_WITHOUT_ID,
    /** The webhook is never sent; its event shows under {@code delivery_success=false}. */
    WEBHOOK_LOST,
    /** The webhook is sent twice, the second one up to 300 ms after the first. */
    WEBHOOK_DUPLICATED,
    /** The webhook is held back for up to 300 ms and may be overtaken by later ones, also of its own object. */
    WEBHOOK_SHUFFLED;

    /** Its name in the control API: {@code webhook_lost}. */
    String field() {
        return name().toLowerCase(Locale.ROOT);
    }
}
