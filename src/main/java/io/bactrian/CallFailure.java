package io.bactrian;

import com.fasterxml.jackson.core.JacksonException;
import io.bactrian.stripe.StripeApiException;
import java.io.IOException;
import java.util.Map;
import org.apache.camel.Exchange;

/** Tells what a failed call to another system means for the record that was being written. */
public final class CallFailure {

    private static final int NOT_FOUND = 404;

    /**
     * Sets the variable {@code result} for the exception that a {@code doCatch} caught. It stays {@code settle} when the object that was to
     * be updated or deleted is gone, for that is an outcome; else it is {@code fail}, with the variables of {@code sql/record-fail.sql}:
     *
     * <ul>
     *   <li>{@code refused}: nothing was written, and only a person or another change of the record can mend it
     *   <li>{@code key_spent}: the answer is stored under the idempotency key, and comes again with it
     *   <li>{@code code}, {@code reason}: what a person needs to know, without personal data
     *   <li>{@code request_id}: the other system's, or null
     *   <li>{@code retry_after}: seconds that the other system asks to wait, or null
     * </ul>
     */
    public void describe(Exchange exchange) {
        var exception = exchange.getProperty(Exchange.EXCEPTION_CAUGHT, Throwable.class);
        var stripe = causeOf(exception, StripeApiException.class);
        if (stripe != null && isGone(stripe, exchange.getVariable("claim", Map.class))) {
            return;
        }
        exchange.setVariable("result", "fail");
        if (stripe != null) {
            describe(exchange, StripeApiException.PERMANENT.equals(stripe.getKind()),
                    stripe.getCode() == null ? "http_" + stripe.getHttpStatus() : stripe.getCode(),
                    stripe.getMessage(), stripe.getRequestId(), stripe.getRetryAfter());
            exchange.setVariable("key_spent", Boolean.FALSE.equals(stripe.getShouldRetry()));
        } else if (causeOf(exception, IOException.class) != null && causeOf(exception, JacksonException.class) == null) {
            describe(exchange, false, "network", rootOf(exception).getClass().getSimpleName(), null, null);
        } else {
            // Ours: a mapping that does not fit, or a route that does not exist. The message may quote the record. Once the call was made,
            // nobody may believe that nothing was written.
            var called = exchange.getVariable("called") != null;
            describe(exchange, !called, "mapping", "the route failed " + (called ? "after" : "before") + " the call with a "
                    + rootOf(exception).getClass().getSimpleName() + ": check the mapping against the record", null, null);
        }
    }

    /**
     * A write to an object that is not there has an outcome. A read that does not find it has none: Stripe still knows
     * <a href="https://docs.stripe.com/api/customers/delete">deleted customers</a>, so this is another account, or another address.
     */
    private static boolean isGone(StripeApiException failure, Map<?, ?> claim) {
        return failure.getHttpStatus() == NOT_FOUND && "resource_missing".equals(failure.getCode())
                && ("update".equals(claim.get("action")) || "delete".equals(claim.get("action")));
    }

    private static void describe(Exchange exchange, boolean refused, String code, String reason, String requestId, Integer retryAfter) {
        exchange.setVariable("refused", refused);
        exchange.setVariable("key_spent", false);
        exchange.setVariable("code", code);
        exchange.setVariable("reason", reason);
        exchange.setVariable("request_id", requestId);
        exchange.setVariable("retry_after", retryAfter);
    }

    private static <T extends Throwable> T causeOf(Throwable exception, Class<T> type) {
        for (var cause = exception; cause != null; cause = cause.getCause()) {
            if (type.isInstance(cause)) {
                return type.cast(cause);
            }
        }
        return null;
    }

    private static Throwable rootOf(Throwable exception) {
        var root = exception;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root;
    }
}
