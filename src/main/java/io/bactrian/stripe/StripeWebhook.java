package io.bactrian.stripe;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.camel.AsyncCallback;
import org.apache.camel.Exchange;
import org.apache.camel.support.AsyncProcessorSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataIntegrityViolationException;

/**
 * Takes Stripe's webhooks, as a step of a route: verifies the signature over the raw body, hands the event on, and answers after the commit. In: body
 * the request's, the header {@code Stripe-Signature}, and the path, whose last part is the system's name. Out: the answer, and no other header:
 *
 * <ul>
 *   <li>200 {@code {"outcome": …}}: it is applied, stored, or none of ours. Stripe is done with it
 *   <li>400: it is not signed by Stripe, no event, or nothing that Postgres could ever store
 *   <li>404: there is no such account
 *   <li>413: it is too large
 *   <li>503: it could not be stored now. Stripe repeats it
 * </ul>
 */
public final class StripeWebhook extends AsyncProcessorSupport {

    private static final Logger LOG = LoggerFactory.getLogger(StripeWebhook.class);
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final int OK = 200;
    private static final int BAD_REQUEST = 400;
    private static final int NOT_FOUND = 404;
    private static final int TOO_LARGE = 413;
    private static final int UNAVAILABLE = 503;

    private StripeAccounts accounts;
    private int maxBytes = 1 << 20;

    /** Whose events come, by the last part of the path. */
    public void setAccounts(StripeAccounts accounts) {
        this.accounts = accounts;
    }

    /** How large a body may be. */
    public void setMaxBytes(int maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** An answer that is known without the event. */
    private static final class NotTaken extends Exception {

        private static final long serialVersionUID = 1;

        private final int status;

        NotTaken(int status, String message) {
            super(message, null, false, false);
            this.status = status;
        }
    }

    @Override
    public boolean process(Exchange exchange, AsyncCallback callback) {
        var system = exchange.getMessage().getHeader(Exchange.HTTP_PATH, "", String.class).replaceFirst("/$", "").replaceFirst(".*/", "");
        CompletableFuture<String> outcome;
        try {
            var account = accounts.of(system).orElseThrow(() -> new NotTaken(NOT_FOUND, "no route file names a system of that name whose routes are Stripe's"));
            outcome = account.events().take(read(exchange, account.signature()), false);
        } catch (NotTaken e) {
            LOG.warn("Stripe webhook refused: {}", e.getMessage());
            answer(exchange, e.status == NOT_FOUND ? "none" : system, e.status, "refused");
            callback.done(true);
            return true;
        }
        if (outcome.isDone()) {
            answer(exchange, system, outcome);
            callback.done(true);
            return true;
        }
        outcome.whenComplete((done, failure) -> {
            answer(exchange, system, outcome);
            callback.done(false);
        });
        return false;
    }

    private JsonNode read(Exchange exchange, StripeSignature signature) throws NotTaken {
        var body = exchange.getMessage().getBody(byte[].class);
        if (body != null && body.length > maxBytes) {
            throw new NotTaken(TOO_LARGE, "an event of more than " + maxBytes + " bytes is refused");
        }
        var result = signature.check(exchange.getMessage().getHeader("Stripe-Signature", String.class), body);
        if (result != StripeSignature.Result.OK) {
            throw new NotTaken(BAD_REQUEST, result.reason());
        }
        try {
            return JSON.readTree(body);
        } catch (IOException e) {
            throw new NotTaken(BAD_REQUEST, "it is signed, but not JSON");
        }
    }

    private void answer(Exchange exchange, String system, CompletableFuture<String> taken) {
        try {
            var outcome = taken.join();
            answer(exchange, system, OK, outcome);
        } catch (CompletionException e) {
            var reason = e.getCause();
            if (reason instanceof DataIntegrityViolationException) {
                LOG.warn("Stripe webhook refused: Postgres cannot store the event's id, type or time, or an id in it");
                answer(exchange, system, BAD_REQUEST, "refused");
            } else if (reason instanceof IllegalArgumentException) {
                LOG.warn("Stripe webhook refused: {}", reason.getMessage());
                answer(exchange, system, BAD_REQUEST, "refused");
            } else {
                LOG.warn("Stripe webhook answered {}: {}", UNAVAILABLE, reason.getClass().getSimpleName());
                answer(exchange, system, UNAVAILABLE, "unavailable");
            }
        }
    }

    private void answer(Exchange exchange, String system, int status, String outcome) {
        exchange.getContext().getRegistry().findSingleByType(MeterRegistry.class)
                .counter("bactrian.webhook.events", "system", system, "outcome", outcome).increment();
        var message = exchange.getMessage();
        message.removeHeaders("*");
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, status);
        message.setHeader(Exchange.CONTENT_TYPE, "application/json");
        message.setBody("{\"outcome\":\"" + (outcome.startsWith("ignored") ? "ignored" : outcome) + "\"}");
    }
}
