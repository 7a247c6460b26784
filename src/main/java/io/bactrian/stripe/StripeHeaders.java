package io.bactrian.stripe;

import java.util.List;

/** The message headers that the {@code stripe} component reads and writes. No other header has any effect, and none is sent to Stripe. */
public final class StripeHeaders {

    /** In: the resource, instead of the one in the URI ({@code customers}, {@code invoices}, …). */
    public static final String OPERATION = "CamelStripeOperation";

    /** In: what to do ({@code create}, {@code retrieve}, {@code update}, {@code delete}, {@code list}, …), instead of the option {@code method}. */
    public static final String METHOD = "CamelStripeMethod";

    /** In: the id of the object to retrieve, update, delete or act on. */
    public static final String OBJECT_ID = "CamelStripeObjectId";

    /** In: sent as {@code Idempotency-Key} with a write, at most 255 characters. Without it a write gets a random one. */
    public static final String IDEMPOTENCY_KEY = "CamelStripeIdempotencyKey";

    /** Out: Stripe's id of the request ({@code req_…}), a String; absent when the server sent none. */
    public static final String REQUEST_ID = "CamelStripeRequestId";

    /**
     * Out: the HTTP status, an Integer. Not Camel's own {@code CamelHttpResponseCode}: behind an HTTP endpoint that would become the
     * status of our answer to somebody else.
     */
    public static final String STATUS_CODE = "CamelStripeStatusCode";

    /** Out: the server's clock when it answered, in seconds since 1970, a Long; absent when the server sent no valid {@code Date}. */
    public static final String DATE = "CamelStripeDate";

    /**
     * Out: whether Stripe repeated the stored answer to an earlier request with this idempotency key, a Boolean. The body is then as old
     * as that request, although the date is new.
     */
    public static final String IDEMPOTENT_REPLAYED = "CamelStripeIdempotentReplayed";

    static final List<String> OUT = List.of(REQUEST_ID, STATUS_CODE, DATE, IDEMPOTENT_REPLAYED);

    private StripeHeaders() {
    }
}
