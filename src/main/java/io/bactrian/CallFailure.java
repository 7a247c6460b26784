package io.bactrian;

import io.bactrian.stripe.StripeApiException;
import java.io.IOException;
import org.apache.camel.Exchange;

/** Tells what a failed call to another system means for the record that was being written. */
public final class CallFailure {

    private static final int NOT_FOUND = 404;

    /**
     * Sets the variables that {@code sql/record-fail.sql} reads, from the exception that a {@code doCatch} caught:
     *
     * <ul>
     *   <li>{@code refused}: nothing was written, and only a person or another change of the record can mend it
     *   <li>{@code gone}: the object does not exist (any more)
     *   <li>{@code code}, {@code reason}: what a person needs to know, without personal data
     *   <li>{@code request_id}: the other system's, or null
     *   <li>{@code retry_after}: seconds that the other system asks to wait, or null
     * </ul>
     */
    public void describe(Exchange exchange) {
        var exception = exchange.getProperty(Exchange.EXCEPTION_CAUGHT, Throwable.class);
        var stripe = causeOf(exception, StripeApiException.class);
        if (stripe != null) {
            var gone = stripe.getHttpStatus() == NOT_FOUND;
            set(exchange, StripeApiException.PERMANENT.equals(stripe.getKind()), gone,
                    stripe.getCode() == null ? "http_" + stripe.getHttpStatus() : stripe.getCode(),
                    stripe.getMessage(), stripe.getRequestId(), stripe.getRetryAfter());
        } else if (causeOf(exception, IOException.class) != null) {
            set(exchange, false, false, "network", exception.getClass().getSimpleName(), null, null);
        } else {
            // Ours: a mapping that does not fit the record, or a route that does not exist. The message may quote the record.
            set(exchange, true, false, "mapping",
                    "the route failed before the call, with " + rootOf(exception).getClass().getName()
                            + ": check the mapping against the record", null, null);
        }
    }

    private static void set(Exchange exchange, boolean refused, boolean gone, String code, String reason, String requestId, Integer retryAfter) {
        exchange.setVariable("refused", refused);
        exchange.setVariable("gone", gone);
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
