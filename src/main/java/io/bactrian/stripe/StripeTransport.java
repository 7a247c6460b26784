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
 * <p>It stands in for stripe-java's own HTTP client because that one follows redirects, with the secret key, and turns an error into an
 * exception without its headers. Measured against it on loopback, java.net.http.HttpClient costs a new thread for each call on
 * a small machine, has no time limit for a body, and now and then breaks a connection it has just taken from its pool (JDK 17).
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
        // Java keeps five idle connections for each host unless it is told otherwise before its first request.
        if (System.getProperty("http.maxConnections") == null) {
            System.setProperty("http.maxConnections", "64");
        }
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

    private static byte[] body(HttpURLConnection connection, int status) throws IOException {
        try (var in = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return in == null ? new byte[0] : in.readAllBytes();
        }
    }
}
