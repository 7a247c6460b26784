package io.bactrian;

import com.fasterxml.jackson.core.JacksonException;
import io.bactrian.stripe.StripeApiException;
import io.bactrian.sync.Circuits;
import io.bactrian.sync.Failures;
import io.bactrian.sync.RemoteSystem;
import java.util.Map;
import java.util.Optional;
import org.apache.camel.CamelContext;
import org.apache.camel.CamelContextAware;
import org.apache.camel.Exchange;
import org.springframework.dao.DataAccessException;
import org.springframework.dao.DataIntegrityViolationException;

/** Tells what a failed call to another system means for the record that was being written. */
public final class CallFailure implements Failures, CamelContextAware {

    private static final int CONFLICT = 409;
    private static final int TOO_MANY_REQUESTS = 429;
    private static final int TRIES = 3;

    private Circuits circuits;
    private CamelContext camel;
    private volatile Map<String, RemoteSystem> systems;

    /** Learns of calls that were answered, and of those that were not. */
    public void setCircuits(Circuits circuits) {
        this.circuits = circuits;
    }

    @Override
    public void describe(Exchange exchange) {
        var exception = exchange.getProperty(Exchange.EXCEPTION_CAUGHT, Throwable.class);
        var system = exchange.getVariable("system", String.class);
        var stripe = causeOf(exception, StripeApiException.class);
        var postgres = causeOf(exception, DataAccessException.class);
        exchange.setVariable("key_spent", false);
        exchange.setVariable("unanswered", false);
        exchange.setVariable("down", false);
        exchange.setVariable("slow_down", null);
        exchange.setVariable("permission", stripe == null ? null : stripe.getPermission());
        if (stripe != null) {
            describe(exchange, system, stripe);
        } else if (causeOf(exception, OtherAccountException.class) != null) {
            fail(exchange, StripeApiException.FATAL, "other_account", causeOf(exception, OtherAccountException.class).getMessage(), null, null);
        } else if (causeOf(exception, RefusedException.class) != null) {
            fail(exchange, StripeApiException.PERMANENT, "refused", causeOf(exception, RefusedException.class).getMessage(), null, null);
        } else if (Refused.of(exception) != null) {
            describe(exchange, system, exception, Refused.of(exception));
        } else if (postgres != null && !(postgres instanceof DataIntegrityViolationException)) {
            fail(exchange, StripeApiException.TRANSIENT, "postgres", postgres.getClass().getSimpleName(), null, null);
        } else if (Refused.isNetwork(exception) && causeOf(exception, JacksonException.class) == null) {
            fail(exchange, StripeApiException.TRANSIENT, "network", rootOf(exception).getClass().getSimpleName(), null, null);
            exchange.setVariable("key_spent", true);
            unanswered(exchange, system, exception);
        } else {
            // Ours: a mapping that does not fit, or a route that does not exist. The message may quote the record.
            fail(exchange, kind(exchange, StripeApiException.PERMANENT), "mapping",
                    "the route failed " + (isCalled(exchange) ? "after" : "before") + " the call with a " + rootOf(exception).getClass().getSimpleName()
                            + ": check the mapping against the record", null, null);
        }
    }

    private void describe(Exchange exchange, String system, StripeApiException failure) {
        if (failure.getHttpStatus() == 0 || failure.getHttpStatus() < 300 || failure.getHttpStatus() >= 500) {
            unanswered(exchange, system, failure);
        } else {
            circuits.answered(system);
        }
        var meaning = meaning(system, failure);
        if (meaning.equals(Refused.GONE) && isGone(exchange)) {
            return;
        }
        fail(exchange, kind(exchange, meaning), failure.getCode() == null ? "http_" + failure.getHttpStatus() : failure.getCode(),
                failure.getMessage(), failure.getRequestId(), failure.getRetryAfter());
        exchange.setVariable("key_spent", Boolean.FALSE.equals(failure.getShouldRetry()));
        if (failure.getHttpStatus() == TOO_MANY_REQUESTS && !"lock_timeout".equals(failure.getCode())) {
            var reason = failure.getRateLimitedReason();
            exchange.setVariable("slow_down",
                    reason != null && reason.startsWith("endpoint") ? exchange.getVariable("resource", String.class) : "");
        } else if (mayRepeat(exchange, failure)) {
            exchange.setVariable("result", "again");
        }
    }

    @Override
    public Refusal refusal(String system, Throwable failure) {
        var stripe = causeOf(failure, StripeApiException.class);
        var meaning = meaning(system, failure);
        boolean lasting = meaning.isEmpty() ? causeOf(failure, DataAccessException.class) == null && !Refused.isNetwork(failure)
                : meaning.equals(StripeApiException.PERMANENT) || meaning.equals(Refused.GONE);
        return new Refusal(meaning, stripe == null ? null : stripe.getPermission(), stripe == null ? failure.getClass().getSimpleName() : stripe.getMessage(), lasting);
    }

    @Override
    public boolean passes(Throwable failure) {
        var postgres = causeOf(failure, DataAccessException.class);
        return postgres != null && !(postgres instanceof DataIntegrityViolationException);
    }

    /** Nobody keeps idempotency keys here: what a create without an answer has made is looked for before it is repeated. */
    private void describe(Exchange exchange, String system, Throwable exception, Refused refused) {
        if (refused.unanswered()) {
            unanswered(exchange, system, exception);
        } else {
            circuits.answered(system);
        }
        var meaning = meaning(system, refused);
        if (meaning.equals(Refused.GONE) && isGone(exchange)) {
            return;
        }
        fail(exchange, kind(exchange, meaning), refused.code(),
                system + (refused.status() == 0 ? " refused: " + refused.code() : " answered " + refused.status()), refused.requestId(), refused.retryAfter());
        exchange.setVariable("key_spent", refused.unanswered());
        exchange.setVariable("slow_down", refused.status() == TOO_MANY_REQUESTS ? "" : null);
    }

    /** An object that is locked, or an idempotency key in use, is free in a moment. */
    private static boolean mayRepeat(Exchange exchange, StripeApiException failure) {
        if (failure.getRetryAfter() != null || failure.getHttpStatus() != TOO_MANY_REQUESTS && failure.getHttpStatus() != CONFLICT) {
            return false;
        }
        int tries = 1 + Optional.ofNullable(exchange.getVariable("tries", Integer.class)).orElse(0);
        exchange.setVariable("tries", tries);
        return tries < TRIES;
    }

    /** What a system's answer means; empty when it is none. */
    private String meaning(String system, Throwable exception) {
        var stripe = causeOf(exception, StripeApiException.class);
        var refused = Refused.of(exception);
        return stripe != null ? meaning(system, stripe) : refused != null ? meaning(system, refused) : "";
    }

    private String meaning(String system, Refused refused) {
        return known(system).flatMap(one -> one.meaning(refused.status(), refused.code())).orElse(refused.kind());
    }

    private String meaning(String system, StripeApiException failure) {
        return known(system).flatMap(one -> one.meaning(failure.getHttpStatus(), failure.getCode())).orElse(failure.getKind());
    }

    private Optional<RemoteSystem> known(String system) {
        if (systems == null) {
            systems = RemoteSystem.of(camel); // the same, whoever is first
        }
        return Optional.ofNullable(systems.get(system));
    }

    @Override
    public String kind(Throwable exception) {
        var stripe = causeOf(exception, StripeApiException.class);
        var refused = Refused.of(exception);
        return stripe != null ? stripe.getKind() : refused == null ? Refused.TRANSIENT : refused.kind().equals(Refused.GONE) ? Refused.PERMANENT : refused.kind();
    }

    private void unanswered(Exchange exchange, String system, Throwable failure) {
        exchange.setVariable("unanswered", true);
        exchange.setVariable("down", circuits.failed(system, failure));
    }

    /**
     * A write to an object that is not there has an outcome. A read that does not find it has none, unless a reconcile knows that it was not
     * listed among others of this account: Stripe still knows <a href="https://docs.stripe.com/api/customers/delete">deleted customers</a>, so
     * it might be another account, or another address.
     */
    private static boolean isGone(Exchange exchange) {
        var action = exchange.getVariable("action", String.class);
        return !isCalled(exchange) && ("update".equals(action) || "delete".equals(action)
                || "fetch".equals(action) && exchange.getVariable("unlisted", false, Boolean.class));
    }

    /** Once the call was made, nobody may believe that nothing was written: it is a mapping that asks for more, and was told no. */
    private static String kind(Exchange exchange, String meaning) {
        var kind = meaning.equals(Refused.GONE) ? StripeApiException.PERMANENT : meaning;
        return isCalled(exchange) && kind.equals(StripeApiException.PERMANENT) ? StripeApiException.TRANSIENT : kind;
    }

    private static boolean isCalled(Exchange exchange) {
        return exchange.getVariable("called") != null;
    }

    private static void fail(Exchange exchange, String failureClass, String code, String reason, String requestId, Integer retryAfter) {
        exchange.setVariable("result", "fail");
        exchange.setVariable("class", failureClass);
        exchange.setVariable("code", code);
        var part = exchange.getVariable("part", String.class);
        exchange.setVariable("reason", part != null && failureClass.equals(StripeApiException.PERMANENT) ? reason + " (about " + part + ")" : reason);
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

    @Override
    public CamelContext getCamelContext() {
        return camel;
    }

    @Override
    public void setCamelContext(CamelContext camelContext) {
        camel = camelContext;
    }
}
