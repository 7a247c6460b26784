package io.bactrian.stripe;

import com.stripe.Stripe;
import com.stripe.net.StripeRequest;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Sends stripe-java's requests with the JDK's HTTP client rather than stripe-java's own, which is built on HttpURLConnection: that one
 * keeps at most five idle connections for the whole process, repeats a POST by itself when a connection breaks, and follows redirects.
 */
final class StripeTransport {

    private static final Map<Duration, StripeTransport> SHARED = new ConcurrentHashMap<>();
    private static final String USER_AGENT = "Bactrian stripe-java/" + Stripe.VERSION;

    private final Duration connectTimeout;
    private final HttpClient client;

    private StripeTransport(Duration connectTimeout) {
        this.connectTimeout = connectTimeout;
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(connectTimeout)
                .build();
    }

    /** The connection pool for all endpoints with this connect timeout, the one setting that belongs to a client and not to a request. */
    static StripeTransport with(Duration connectTimeout) {
        return SHARED.computeIfAbsent(connectTimeout, StripeTransport::new);
    }

    /**
     * Sends a request and waits for the whole answer, of whatever status.
     *
     * @param call        what is being done, for an error's message
     * @param readTimeout how long the answer may take once connected
     * @throws StripeApiException with status 0 when there is no answer
     */
    HttpResponse<byte[]> send(String call, StripeRequest request, Duration readTimeout) {
        var answer = client.sendAsync(httpRequest(request), BodyHandlers.ofByteArray());
        try {
            return answer.get(connectTimeout.plus(readTimeout).toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw StripeApiException.timeout(call, e);
        } catch (InterruptedException e) {
            answer.cancel(true);
            Thread.currentThread().interrupt();
            throw StripeApiException.unreachable(call, "interrupted", e);
        } catch (ExecutionException e) {
            throw noAnswer(call, e.getCause());
        }
    }

    private static HttpRequest httpRequest(StripeRequest request) {
        var builder = HttpRequest.newBuilder(URI.create(request.url().toString())).header("User-Agent", USER_AGENT);
        request.headers().map().forEach((name, values) -> values.forEach(value -> builder.header(name, value)));
        var content = request.content();
        return builder
                .method(request.method().name(), content == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(content.byteArrayContent()))
                .build();
    }

    private static RuntimeException noAnswer(String call, Throwable cause) {
        if (cause instanceof HttpTimeoutException) {
            return StripeApiException.timeout(call, cause);
        }
        if (cause instanceof IOException) {
            return StripeApiException.unreachable(call, cause.getClass().getSimpleName(), cause);
        }
        throw new IllegalStateException("The request of " + call + " could not be sent", cause);
    }
}
