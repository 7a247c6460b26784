package io.bactrian.stripe;

import io.bactrian.stripe.StripeTransport.Answer;
import java.io.IOException;
import java.net.SocketTimeoutException;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A call to Stripe that did not succeed: an error answer, or no answer at all ({@link #getHttpStatus} is then 0).
 *
 * <p>In a route: {@code ${exception.httpStatus}}, {@code ${exception.kind}}, {@code ${exception.transientFailure}},
 * {@code ${exception.code}}, {@code ${exception.requestId}}, {@code ${exception.retryAfter}}, {@code ${exception.permission}}. The message is made of these and never
 * repeats Stripe's own text, which can quote an e-mail address or a part of the key.
 */
public final class StripeApiException extends RuntimeException {

    /** Trying again later may succeed: no answer, 408, 409, 424, 429, 5xx, or Stripe says so. */
    public static final String TRANSIENT = "transient";
    /** This request will never succeed as it is. */
    public static final String PERMANENT = "permanent";
    /** No request about this kind of object will succeed, because the key lacks a permission: 403. */
    public static final String DENIED = "denied";
    /** No request will succeed with this key: 401. */
    public static final String FATAL = "fatal";

    /** What a person can do about it, by Stripe's code: see <a href="https://docs.stripe.com/error-codes">error codes</a>. */
    private static final Map<String, String> ADVICE = Map.of(
            "invoice_not_editable", "the invoice is final in Stripe; take the change back; then, if need be, void the invoice and make another",
            "amount_too_large", "the amount is larger than Stripe takes; make it smaller, or divide it",
            "amount_too_small", "the amount is smaller than Stripe takes",
            "not_json", "the answer has no body: what is between here and Stripe may swallow it",
            "no_id", "the answer does not say which object it is about: what is between here and Stripe may change it",
            "email_invalid", "the e-mail address is none; correct it",
            "parameter_missing", "the record lacks what Stripe needs; fill it in",
            "resource_missing", "the object, or one that it refers to, is not there; look at it in Stripe's dashboard",
            "parameter_invalid_integer", "the number is not one that Stripe takes; correct it");
    private static final String NOT_NOW = "the status that it has in Stripe does not allow this step; take the change of the status back";
    private static final String NOT_SO = "Stripe does not take this value; correct the column that it is made from";
    private static final String NO_PERMISSION = "; grant it in Stripe's dashboard, under Developers, API keys; docs/operations.md says which permissions are needed";
    /** How Stripe names a permission of a restricted key, see <a href="https://docs.stripe.com/keys/restricted-api-keys">restricted keys</a>. */
    private static final Pattern PERMISSION = Pattern.compile("\\brak_[a-z_]{1,60}\\b");
    private static final String LOOK_THERE = "Stripe's dashboard tells why, under Developers, Logs, at this request";

    private final int httpStatus;
    private final String type;
    private final String code;
    private final String param;
    private final String requestId;
    private final Integer retryAfter;
    private final Boolean shouldRetry;
    private final String rateLimitedReason;
    private final String permission;

    private StripeApiException(String message, Throwable cause, String code) {
        super(message, cause);
        this.httpStatus = 0;
        this.type = "network_error";
        this.code = code;
        this.param = null;
        this.requestId = null;
        this.retryAfter = null;
        this.shouldRetry = null;
        this.rateLimitedReason = null;
        this.permission = null;
    }

    private StripeApiException(String call, Answer answer, String type, String code, String param, String permission) {
        super(message(call, answer, type, code, param, permission));
        this.httpStatus = answer.status();
        this.type = type;
        this.code = code;
        this.param = param;
        this.requestId = header(answer, "Request-Id");
        this.retryAfter = seconds(header(answer, "Retry-After"));
        this.shouldRetry = bool(header(answer, "Stripe-Should-Retry"));
        this.rateLimitedReason = header(answer, "Stripe-Rate-Limited-Reason");
        this.permission = permission;
    }

    /** For an answer that is not a success, whatever its body holds. */
    static StripeApiException of(String call, Answer answer) {
        var error = StripeJson.answer(answer.body()).path("error");
        return new StripeApiException(call, answer, token(error.path("type").asText(null)), token(error.path("code").asText(null)),
                token(error.path("param").asText(null)), answer.status() == 403 ? permission(error.path("message").asText("")) : null);
    }

    /** For an answer with a status of success and no JSON object. */
    static StripeApiException notJson(String call, Answer answer) {
        return new StripeApiException(call, answer, "api_error", "not_json", null, null);
    }

    /** For an answer with a status of success and an object that does not say which it is. */
    static StripeApiException withoutId(String call, Answer answer) {
        return new StripeApiException(call, answer, "api_error", "no_id", null, null);
    }

    /** For an answer that did not come in time. Stripe may or may not have done what it was asked. */
    static StripeApiException timeout(String call, SocketTimeoutException cause) {
        return new StripeApiException("No answer from Stripe in time to " + call, cause, "timeout");
    }

    /** For a connection that could not be made, or broke. In the second case Stripe may have done what it was asked. */
    static StripeApiException unreachable(String call, IOException cause) {
        return new StripeApiException("No answer from Stripe to " + call + ": " + cause, cause, "connection_failed");
    }

    /** The HTTP status, 0 when there was no answer. */
    public int getHttpStatus() {
        return httpStatus;
    }

    /** Stripe's error type ({@code invalid_request_error}, {@code card_error}, {@code idempotency_error}, …), {@code network_error}, or null. */
    public String getType() {
        return type;
    }

    /** Stripe's error code ({@code resource_missing}, …); {@code timeout} or {@code connection_failed} without an answer; may be null. */
    public String getCode() {
        return code;
    }

    /** The parameter that Stripe complains about, or null. */
    public String getParam() {
        return param;
    }

    /** Stripe's id of the request, to look it up in Stripe's dashboard, or null. */
    public String getRequestId() {
        return requestId;
    }

    /** The seconds that the server asks to wait, or null. */
    public Integer getRetryAfter() {
        return retryAfter;
    }

    /**
     * Stripe's own advice on an immediate retry with the same idempotency key, or null when it gives none. False on a 5xx means that
     * this answer is stored under the key and would only be repeated.
     */
    public Boolean getShouldRetry() {
        return shouldRetry;
    }

    /** Which of Stripe's limits a 429 has hit, or null. */
    public String getRateLimitedReason() {
        return rateLimitedReason;
    }

    /** Stripe's name of the permission that the key lacks, {@code rak_invoice_write}, or null when it is no 403 or Stripe does not tell. */
    public String getPermission() {
        return permission;
    }

    /** {@link #TRANSIENT}, {@link #PERMANENT}, {@link #DENIED} or {@link #FATAL}. */
    public String getKind() {
        return kindOf(httpStatus, shouldRetry);
    }

    private static String kindOf(int httpStatus, Boolean shouldRetry) {
        return switch (httpStatus) {
            case 401 -> FATAL;
            case 403 -> DENIED;
            case 0, 408, 409, 424, 429 -> TRANSIENT;
            default -> httpStatus >= 500 || httpStatus < 300 || Boolean.TRUE.equals(shouldRetry) ? TRANSIENT : PERMANENT;
        };
    }

    public boolean isTransientFailure() {
        return getKind().equals(TRANSIENT);
    }

    private static String message(String call, Answer answer, String type, String code, String param, String permission) {
        var message = new StringBuilder("Stripe answered ").append(answer.status()).append(" to ").append(call);
        append(message, "type", type);
        append(message, "code", code);
        append(message, "param", param);
        append(message, "limit", header(answer, "Stripe-Rate-Limited-Reason"));
        append(message, "request", header(answer, "Request-Id"));
        if (answer.status() == 403) {
            return message.append(": the key lacks ").append(permission == null ? "a permission" : "the permission " + permission).append(NO_PERMISSION).toString();
        }
        var advice = advice(call, kindOf(answer.status(), bool(header(answer, "Stripe-Should-Retry"))), code, param);
        return advice == null ? message.toString() : message.append(": ").append(advice).toString();
    }

    /** What a person can do about it, if it is for a person to do. */
    private static String advice(String call, String kind, String code, String param) {
        if (code != null && ADVICE.containsKey(code)) {
            return ADVICE.get(code);
        } else if (!kind.equals(PERMANENT)) {
            return null;
        } else if (param != null) {
            return NOT_SO;
        }
        return code == null && !call.matches("\\w+ (create|retrieve|update|delete|list\\w*|search)") ? NOT_NOW : LOOK_THERE;
    }

    private static void append(StringBuilder message, String name, String value) {
        if (value != null) {
            message.append(", ").append(name).append(' ').append(value);
        }
    }

    private static String header(Answer answer, String name) {
        return token(answer.header(name));
    }

    /** The only words of Stripe's sentence that are taken: the rest names the key and the account. */
    private static String permission(String sentence) {
        var found = PERMISSION.matcher(sentence);
        return found.find() ? found.group() : null;
    }

    /** A machine's word, or null: whatever else stands in its place does not belong into a message. */
    private static String token(String value) {
        return value != null && value.matches("[A-Za-z0-9_.\\[\\]-]{1,200}") ? value : null;
    }

    private static Integer seconds(String value) {
        return value != null && value.matches("[0-9]{1,9}") ? Integer.valueOf(value) : null;
    }

    private static Boolean bool(String value) {
        return value == null ? null : Boolean.valueOf(value);
    }
}
