package io.bactrian.stripe;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.IOException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletableFuture;
import org.apache.camel.AsyncCallback;
import org.apache.camel.Exchange;
import org.apache.camel.support.AsyncProcessorSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.dao.DataIntegrityViolationException;

/**
 * Takes Stripe's webhooks, as a step of a route: verifies the signature over the raw body, hands the event on, and answers after the commit. In: body
 * the request's, the header {@code Stripe-Signature}. Out: the answer, and no other header:
 *
 * <ul>
 *   <li>200 {@code {"outcome": …}}: it is applied, stored, or none of ours. Stripe is done with it
 *   <li>400: it is not signed by Stripe, no event, or nothing that Postgres could ever store
 *   <li>413: it is too large
 *   <li>503: it could not be stored now. Stripe repeats it
 * </ul>
 */
public final class StripeWebhook extends AsyncProcessorSupport {

    private static final Logger LOG = LoggerFactory.getLogger(StripeWebhook.class);
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final int OK = 200;
    private static final int BAD_REQUEST = 400;
    private static final int TOO_LARGE = 413;
    private static final int UNAVAILABLE = 503;

    private String system = "stripe";
    private StripeSignature signature;
    private StripeEvents events;
    private int maxBytes = 1 << 20;

    /** For metrics. */
    public void setSystem(String system) {
        this.system = system;
    }

    public void setSignature(StripeSignature signature) {
        this.signature = signature;
    }

    /** What events are handed to. */
    public void setEvents(StripeEvents events) {
        this.events = events;
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
        CompletableFuture<String> outcome;
        try {
            outcome = events.take(read(exchange), false);
        } catch (NotTaken e) {
            LOG.warn("Stripe webhook refused: {}", e.getMessage());
            answer(exchange, e.status, "refused");
            callback.done(true);
            return true;
        }
        if (outcome.isDone()) {
            answer(exchange, outcome);
            callback.done(true);
            return true;
        }
        outcome.whenComplete((done, failure) -> {
            answer(exchange, outcome);
            callback.done(false);
        });
        return false;
    }

    private JsonNode read(Exchange exchange) throws NotTaken {
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

    private void answer(Exchange exchange, CompletableFuture<String> taken) {
        try {
            var outcome = taken.join();
            answer(exchange, OK, outcome);
        } catch (CompletionException e) {
            var reason = e.getCause();
            if (reason instanceof DataIntegrityViolationException) {
                LOG.warn("Stripe webhook refused: Postgres cannot store the event's id, type or time, or an id in it");
                answer(exchange, BAD_REQUEST, "refused");
            } else if (reason instanceof IllegalArgumentException) {
                LOG.warn("Stripe webhook refused: {}", reason.getMessage());
                answer(exchange, BAD_REQUEST, "refused");
            } else {
                LOG.warn("Stripe webhook answered {}: {}", UNAVAILABLE, reason.getClass().getSimpleName());
                answer(exchange, UNAVAILABLE, "unavailable");
            }
        }
    }

    private void answer(Exchange exchange, int status, String outcome) {
        exchange.getContext().getRegistry().findSingleByType(MeterRegistry.class)
                .counter("bactrian.webhook.events", "system", system, "outcome", outcome).increment();
        var message = exchange.getMessage();
        message.removeHeaders("*");
        message.setHeader(Exchange.HTTP_RESPONSE_CODE, status);
        message.setHeader(Exchange.CONTENT_TYPE, "application/json");
        message.setBody("{\"outcome\":\"" + (outcome.startsWith("ignored") ? "ignored" : outcome) + "\"}");
    }
}
