package io.bactrian.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.camel.CamelContext;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the component makes of an error, or of silence. */
class StripeApiExceptionTest {

    private static RecordingServer stripe;
    private static CamelContext context;
    private static ProducerTemplate template;

    @BeforeAll
    static void start() throws Exception {
        stripe = new RecordingServer();
        context = new DefaultCamelContext();
        context.start();
        var component = context.getComponent("stripe", StripeComponent.class);
        component.setApiKey("sk_test_secret");
        component.setApiBase(stripe.address());
        template = context.createProducerTemplate();
    }

    @BeforeEach
    void reset() {
        stripe.reset();
    }

    @AfterAll
    static void stop() {
        context.stop();
        stripe.close();
    }

    private StripeApiException failure() {
        return failure("stripe:customers?method=update");
    }

    private StripeApiException failure(String uri) {
        var exchange = template.request(uri, e -> {
            e.getMessage().setBody(Map.of("email", "ann@example.com"));
            e.getMessage().setHeader(StripeHeaders.OBJECT_ID, "cus_1");
        });
        assertEquals(Map.of("email", "ann@example.com"), exchange.getMessage().getBody());
        return assertInstanceOf(StripeApiException.class, exchange.getException());
    }

    @Test
    void carries_what_a_route_and_a_person_need() {
        stripe.answers(400, """
                {"error": {"type": "invalid_request_error", "code": "email_invalid", "param": "email", "doc_url": "https://stripe.com/docs",
                 "message": "Invalid email address: ann@example.com (key sk_test_secret)"}}""", "Request-Id", "req_1");

        var failure = failure();

        assertEquals(400, failure.getHttpStatus());
        assertEquals("invalid_request_error", failure.getType());
        assertEquals("email_invalid", failure.getCode());
        assertEquals("email", failure.getParam());
        assertEquals("req_1", failure.getRequestId());
        assertNull(failure.getRetryAfter());
        assertNull(failure.getShouldRetry());
        assertNull(failure.getRateLimitedReason());
        assertEquals("permanent", failure.getKind());
        assertFalse(failure.isTransientFailure());
        assertEquals("Stripe answered 400 to customers update, type invalid_request_error, code email_invalid, param email, request req_1: "
                + "the e-mail address is none; correct it",
                failure.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"customers?method=update, , Stripe's dashboard tells why",
        "customers?method=update, '\"param\": \"address[city]\"', correct the column that it is made from",
        "invoices?method=void, , take the change of the status back",
        "invoices?method=pay, '\"code\": \"unheard_of\"', Stripe's dashboard tells why"})
    void says_what_to_do_when_stripe_gives_no_code(String uri, String detail, String advice) {
        stripe.answers(400, "{\"error\": {" + (detail == null ? "" : detail) + "}}");

        var message = failure("stripe:" + uri).getMessage();

        assertTrue(message.contains(": ") && message.contains(advice), message);
    }

    @Test
    void carries_when_to_come_back() {
        stripe.answers(429, "{\"error\": {\"type\": \"invalid_request_error\", \"code\": \"rate_limit\"}}", "Retry-After", "7",
                "Stripe-Should-Retry", "false", "Stripe-Rate-Limited-Reason", "global-rate");

        var failure = failure();

        assertEquals(7, failure.getRetryAfter());
        assertEquals(false, failure.getShouldRetry());
        assertEquals("global-rate", failure.getRateLimitedReason());
        assertTrue(failure.isTransientFailure());
        assertEquals("Stripe answered 429 to customers update, type invalid_request_error, code rate_limit, limit global-rate", failure.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"301, permanent", "400, permanent", "401, fatal", "402, permanent", "403, denied", "404, permanent", "408, transient", "409, transient",
        "424, transient", "429, transient", "500, transient", "502, transient", "503, transient", "504, transient"})
    void knows_whether_trying_again_can_help(int status, String kind) {
        stripe.answers(status, "{\"error\": {}}", "WWW-Authenticate", "Basic realm=\"Stripe\"");

        assertEquals(kind, failure().getKind());
        assertEquals(1, stripe.requests().size());
    }

    @Test
    void tries_again_what_stripe_asks_to_try_again() {
        stripe.answers(400, "{\"error\": {\"code\": \"lock_timeout\"}}", "Stripe-Should-Retry", "true");

        assertEquals("transient", failure().getKind());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "upstream connect error", "<html>502 for ann@example.com</html>", "[1]", "{\"error\": \"ann@example.com\"}",
        "{\"error\": {\"type\": \"ann@example.com\", \"code\": {\"a\": 1}, \"param\": \"line\\nbreak\"}}", "null", "{\"error\": {\"code\": null}}"})
    void makes_do_with_an_error_of_any_other_shape(String body) {
        stripe.answers(503, body, "Request-Id", "req_1", "Retry-After", "Tue, 14 Nov 2023 22:13:20 GMT");

        var failure = failure();

        assertEquals(503, failure.getHttpStatus());
        assertEquals("Stripe answered 503 to customers update, request req_1", failure.getMessage());
        assertNull(failure.getCode());
        assertNull(failure.getRetryAfter());
    }

    @ParameterizedTest
    @ValueSource(strings = {"<html>please log in</html>", "", "[]", "null"})
    void does_not_take_something_else_for_a_success(String body) {
        stripe.answers(200, body);

        var failure = failure();

        assertEquals(200, failure.getHttpStatus());
        assertEquals("not_json", failure.getCode());
        assertEquals("transient", failure.getKind());
    }

    @Test
    void does_not_follow_a_redirect() throws Exception {
        try (var other = new RecordingServer()) {
            stripe.answers(302, "", "Location", other.address() + "/v1/customers");

            assertEquals(302, failure().getHttpStatus());
            assertEquals(0, other.requests().size());
        }
    }

    @Test
    void is_transient_when_nobody_listens() throws Exception {
        int port;
        try (var unused = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = unused.getLocalPort();
        }

        var failure = failure("stripe:customers?apiBase=http://127.0.0.1:" + port);

        assertEquals(0, failure.getHttpStatus());
        assertEquals("network_error", failure.getType());
        assertEquals("connection_failed", failure.getCode());
        assertTrue(failure.isTransientFailure());
        assertEquals("No answer from Stripe to customers create: java.net.ConnectException: Connection refused", failure.getMessage());
    }

    @Test
    void is_transient_when_the_server_stays_silent() throws Exception {
        var release = new CountDownLatch(1);
        stripe.answers(exchange -> {
            try {
                release.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });

        var failure = failure("stripe:customers?readTimeout=100");
        release.countDown();

        assertEquals(0, failure.getHttpStatus());
        assertEquals("timeout", failure.getCode());
        assertTrue(failure.isTransientFailure());
        assertEquals("No answer from Stripe in time to customers create", failure.getMessage());
        assertEquals(1, stripe.requests().size());
    }

    @Test
    void is_transient_when_the_server_stops_in_the_middle_of_the_answer() throws Exception {
        stripe.answers(exchange -> {
            exchange.sendResponseHeaders(200, 1000);
            exchange.getResponseBody().write('{');
            exchange.getResponseBody().flush();
        });

        assertEquals("timeout", failure("stripe:customers?readTimeout=100").getCode());
    }

    @Test
    void does_not_take_half_an_answer_for_a_success() throws Exception {
        try (var server = new RawServer("HTTP/1.1 200 OK\nContent-Length: 100\n\n{\"id\": \"cus_1\"")) {
            var failure = failure("stripe:customers?apiBase=" + server.address());

            assertEquals("not_json", failure.getCode());
            assertTrue(failure.isTransientFailure());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "SSH-2.0-OpenSSH\n"})
    void is_transient_when_the_connection_breaks(String answer) throws Exception {
        try (var server = new RawServer(answer)) {
            var failure = failure("stripe:customers?apiBase=" + server.address());

            assertEquals(0, failure.getHttpStatus());
            assertEquals("connection_failed", failure.getCode());
        }
    }
}
