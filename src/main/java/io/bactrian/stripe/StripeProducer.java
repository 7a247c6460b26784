package io.bactrian.stripe;

import static com.stripe.net.ApiResource.RequestMethod.GET;

import com.stripe.exception.StripeException;
import com.stripe.net.ApiMode;
import com.stripe.net.StripeRequest;
import io.bactrian.stripe.StripeTransport.Answer;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.support.DefaultProducer;

/** Turns a message into one request to Stripe, and the answer into the message's body and headers. */
final class StripeProducer extends DefaultProducer {

    /** What has no id of its own: https://docs.stripe.com/api/pagination, https://docs.stripe.com/api/pagination/search. */
    private static final Set<String> LISTS = Set.of("list", "search_result");

    private final StripeEndpoint endpoint;

    StripeProducer(StripeEndpoint endpoint) {
        super(endpoint);
        this.endpoint = endpoint;
    }

    @Override
    public void process(Exchange exchange) throws StripeException {
        var message = exchange.getMessage();
        StripeHeaders.OUT.forEach(message::removeHeader);

        var resource = header(message, StripeHeaders.OPERATION).map(StripeResource::named).orElse(endpoint.resource());
        var method = header(message, StripeHeaders.METHOD).orElse(endpoint.getMethod());
        var verb = resource.verb(method);
        var path = resource.path(verb, header(message, StripeHeaders.OBJECT_ID).orElse(null));
        Map<String, Object> parameters = verb.parameters() ? StripeJson.parameters(message) : Map.of();
        var idempotencyKey = verb.http() == GET ? null : idempotencyKey(message);

        var options = endpoint.options();
        var request = StripeRequest.create(verb.http(), options.apiBase() + path, parameters, options.request(idempotencyKey), ApiMode.V1);
        var call = resource.name() + " " + method;
        var answer = StripeTransport.send(call, request, options.connectTimeout(), options.readTimeout());
        if (answer.status() / 100 != 2) {
            throw StripeApiException.of(call, answer);
        }
        var object = StripeJson.answer(answer.body());
        if (!object.isObject()) {
            throw StripeApiException.notJson(call, answer);
        }
        if (!LISTS.contains(object.path("object").asText()) && !object.path("id").isTextual()) {
            throw StripeApiException.withoutId(call, answer);
        }
        message.setBody(StripeJson.object(object));
        setHeaders(message, answer);
    }

    /** The key in the message, or null; Stripe takes up to 255 characters, see https://docs.stripe.com/api/idempotent_requests. */
    private static String idempotencyKey(Message message) {
        var key = header(message, StripeHeaders.IDEMPOTENCY_KEY).orElse(null);
        if (key != null && !key.matches("[ -~]{1,255}")) {
            throw new IllegalArgumentException("The header " + StripeHeaders.IDEMPOTENCY_KEY + " must hold at most 255 characters, all of them ASCII");
        }
        return key;
    }

    private static void setHeaders(Message message, Answer answer) {
        var headers = answer.headers();
        message.setHeader(StripeHeaders.STATUS_CODE, answer.status());
        message.setHeader(StripeHeaders.IDEMPOTENT_REPLAYED, headers.firstValue("Idempotent-Replayed").map(Boolean::valueOf).orElse(false));
        headers.firstValue("Request-Id").ifPresent(id -> message.setHeader(StripeHeaders.REQUEST_ID, id));
        headers.firstValue("Date").flatMap(StripeProducer::epochSeconds).ifPresent(date -> message.setHeader(StripeHeaders.DATE, date));
    }

    private static Optional<Long> epochSeconds(String date) {
        try {
            return Optional.of(DateTimeFormatter.RFC_1123_DATE_TIME.parse(date, Instant::from).getEpochSecond());
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    private static Optional<String> header(Message message, String name) {
        return Optional.ofNullable(message.getHeader(name, String.class)).filter(value -> !value.isBlank());
    }
}
