package io.bactrian.stripe;

import static com.stripe.net.ApiResource.RequestMethod.GET;

import com.stripe.exception.StripeException;
import com.stripe.net.ApiMode;
import com.stripe.net.StripeRequest;
import java.net.http.HttpResponse;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.Map;
import java.util.Optional;
import org.apache.camel.Exchange;
import org.apache.camel.Message;
import org.apache.camel.support.DefaultProducer;

/** Turns a message into one request to Stripe, and the answer into the message's body and headers. */
final class StripeProducer extends DefaultProducer {

    private final StripeEndpoint endpoint;
    private final StripeTransport transport;

    StripeProducer(StripeEndpoint endpoint) {
        super(endpoint);
        this.endpoint = endpoint;
        this.transport = StripeTransport.with(endpoint.options().connectTimeout());
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
        var idempotencyKey = verb.http() == GET ? null : header(message, StripeHeaders.IDEMPOTENCY_KEY).orElse(null);

        var options = endpoint.options();
        var request = StripeRequest.create(verb.http(), options.apiBase() + path, parameters, options.request(idempotencyKey), ApiMode.V1);
        var call = resource.name() + " " + method;
        var response = transport.send(call, request, options.readTimeout());
        if (response.statusCode() / 100 != 2) {
            throw StripeApiException.of(call, response);
        }
        var answer = StripeJson.answer(response.body());
        if (!answer.isObject()) {
            throw StripeApiException.notJson(call, response);
        }
        message.setBody(StripeJson.object(answer));
        setHeaders(message, response);
    }

    private static void setHeaders(Message message, HttpResponse<byte[]> response) {
        var headers = response.headers();
        message.setHeader(StripeHeaders.STATUS_CODE, response.statusCode());
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
