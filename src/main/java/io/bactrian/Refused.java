package io.bactrian;

import jakarta.mail.AuthenticationFailedException;
import jakarta.mail.internet.AddressException;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.camel.http.base.HttpOperationFailedException;
import org.eclipse.angus.mail.smtp.SMTPAddressFailedException;
import org.eclipse.angus.mail.smtp.SMTPSendFailedException;
import org.eclipse.angus.mail.smtp.SMTPSenderFailedException;

/**
 * How a system that is called by HTTP (camel-http) or SMTP (camel-mail) said no.
 *
 * @param kind transient, permanent, fatal or gone, as {@link CallFailure} explains them
 * @param status of HTTP, or SMTP's reply code; 0 when there is none
 * @param code a machine's word for it
 * @param requestId the system's id of the request, or null
 * @param retryAfter the seconds that it asks to wait, or null
 * @param unanswered whether it did not do its part, whatever the record
 */
record Refused(String kind, int status, String code, String requestId, Integer retryAfter, boolean unanswered) {

    static final String TRANSIENT = "transient";
    static final String PERMANENT = "permanent";
    static final String FATAL = "fatal";
    static final String GONE = "gone";

    /** Finds out; null when the exception is of another kind. */
    static Refused of(Throwable exception) {
        for (var cause = exception; cause != null; cause = cause.getCause()) {
            if (cause instanceof HttpOperationFailedException http) {
                return http(http);
            } else if (cause instanceof SMTPSendFailedException smtp) {
                return smtp(smtp.getReturnCode());
            } else if (cause instanceof SMTPAddressFailedException smtp) {
                return smtp(smtp.getReturnCode());
            } else if (cause instanceof SMTPSenderFailedException smtp) {
                // The sender's address is the same for every mail.
                return new Refused(smtp.getReturnCode() >= 500 ? FATAL : TRANSIENT, smtp.getReturnCode(), "smtp_" + smtp.getReturnCode(), null, null, false);
            } else if (cause instanceof AuthenticationFailedException) {
                return new Refused(FATAL, 0, "authentication", null, null, false);
            } else if (cause instanceof AddressException) {
                return new Refused(PERMANENT, 0, "address", null, null, false);
            }
        }
        return null;
    }

    private static Refused http(HttpOperationFailedException failure) {
        int status = failure.getStatusCode();
        var headers = new TreeMap<String, String>(String.CASE_INSENSITIVE_ORDER);
        headers.putAll(failure.getResponseHeaders() == null ? Map.of() : failure.getResponseHeaders());
        var kind = switch (status) {
            case 401, 403 -> FATAL;
            case 404, 410 -> GONE;
            case 408, 409, 423, 425, 429 -> TRANSIENT;
            default -> status >= 500 ? TRANSIENT : PERMANENT;
        };
        var requestId = Stream.of("X-Message-Id", "X-Request-Id", "Request-Id").map(headers::get)
                .filter(id -> id != null && id.matches("[A-Za-z0-9_.:-]{1,200}")).findFirst().orElse(null);
        return new Refused(kind, status, "http_" + status, requestId, seconds(headers.get("Retry-After")), status >= 500);
    }

    /** 4yz may pass, 5yz does not; 421 is about the server, 530 to 538 about who we are: RFC 5321, RFC 4954. */
    private static Refused smtp(int status) {
        var kind = status >= 530 && status <= 538 ? FATAL : status >= 500 ? PERMANENT : TRANSIENT;
        return new Refused(kind, status, "smtp_" + status, null, null, status == 421);
    }

    /** Seconds, or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after. */
    private static Integer seconds(String retryAfter) {
        if (retryAfter == null || retryAfter.strip().matches("[0-9]{1,9}")) {
            return retryAfter == null ? null : Integer.valueOf(retryAfter.strip());
        }
        try {
            var until = ZonedDateTime.parse(retryAfter.strip(), DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            return (int) Math.max(0, Math.min(Integer.MAX_VALUE, Duration.between(Instant.now(), until).toSeconds()));
        } catch (DateTimeParseException e) {
            return null;
        }
    }

    /** Whether an answer is missing: the network, or a server that broke off. */
    static boolean isNetwork(Throwable exception) {
        for (var cause = exception; cause != null; cause = cause.getCause()) {
            if (cause instanceof IOException || cause instanceof jakarta.mail.MessagingException) {
                return true;
            }
        }
        return false;
    }
}
