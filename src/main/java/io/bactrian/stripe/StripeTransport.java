package io.bactrian.stripe;

import com.stripe.Stripe;
import com.stripe.net.HttpHeaders;
import com.stripe.net.StripeRequest;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.SocketTimeoutException;
import java.time.Duration;

/**
 * Sends stripe-java's requests and hands back whatever comes, error or not.
 *
 * <p>It stands in for stripe-java's own HTTP client, which follows a redirect (a write becomes a read of somewhere else) and hides the
 * headers of an error that is not JSON. Like that one it is built on HttpURLConnection: when a connection breaks before any answer, Java sends
 * the request once more by itself, under the same idempotency key, so that a connection which the server closed while it was idle is no error.
 *
 * <p>java.net.http.HttpClient (JDK 17), measured beside it on two cores, costs a new thread for each call that has a time limit for its
 * body, and now and then breaks a connection that it has just taken from its pool.
 */
final class StripeTransport {

    /** An answer of any status. */
    record Answer(int status, HttpHeaders headers, byte[] body) {

        /** A header's first value, or null. */
        String header(String name) {
            return headers.firstValue(name).orElse(null);
        }
    }

    private static final String USER_AGENT = "Bactrian stripe-java/" + Stripe.VERSION;

    static {
        // Java keeps five idle connections for each host, for five seconds, unless it is told otherwise before its first request.
        setUnlessSet("http.maxConnections", "64");
        setUnlessSet("http.keepAlive.time.server", "30");
    }

    private StripeTransport() {
    }

    /**
     * Sends one request and waits for the answer.
     *
     * @param call           what is being done, for an error's message
     * @param connectTimeout how long to wait for a connection
     * @param readTimeout    how long the server may be silent
     * @throws StripeApiException with status 0 when there is no answer
     */
    static Answer send(String call, StripeRequest request, Duration connectTimeout, Duration readTimeout) {
        try {
            var connection = (HttpURLConnection) request.url().openConnection();
            connection.setConnectTimeout(Math.toIntExact(connectTimeout.toMillis()));
            connection.setReadTimeout(Math.toIntExact(readTimeout.toMillis()));
            connection.setInstanceFollowRedirects(false);
            connection.setUseCaches(false);
            connection.setRequestMethod(request.method().name());
            connection.setRequestProperty("User-Agent", USER_AGENT);
            request.headers().map().forEach((name, values) -> connection.setRequestProperty(name, String.join(",", values)));
            if (request.content() != null) {
                connection.setDoOutput(true);
                try (var out = connection.getOutputStream()) {
                    out.write(request.content().byteArrayContent());
                }
            }
            var status = connection.getResponseCode();
            return new Answer(status, HttpHeaders.of(connection.getHeaderFields()), body(connection, status));
        } catch (SocketTimeoutException e) {
            throw StripeApiException.timeout(call, e);
        } catch (IOException e) {
            throw StripeApiException.unreachable(call, e);
        }
    }

    private static void setUnlessSet(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    private static byte[] body(HttpURLConnection connection, int status) throws IOException {
        try (var in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return in == null ? new byte[0] : in.readAllBytes();
        }
    }
}
