package io.bactrian.stripe;

import static io.bactrian.stripe.StripeHeaders.IDEMPOTENCY_KEY;
import static io.bactrian.stripe.StripeHeaders.IDEMPOTENT_REPLAYED;
import static io.bactrian.stripe.StripeHeaders.OBJECT_ID;
import static io.bactrian.stripe.StripeHeaders.REQUEST_ID;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.camel.CamelContext;
import org.apache.camel.Message;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The component and the signature check with a server that behaves like Stripe. */
class StripeComponentAgainstSimulatorTest {

    private StripeSimulator simulator;
    private CamelContext context;
    private ProducerTemplate template;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        context = new DefaultCamelContext();
        context.start();
        var component = context.getComponent("stripe", StripeComponent.class);
        component.setApiKey("sk_test_sandbox");
        component.setApiBase(simulator.baseUrl().toString());
        template = context.createProducerTemplate();
    }

    @AfterEach
    void stop() {
        context.stop();
        simulator.close();
    }

    private Message call(String uri, Object body, Map<String, Object> headers) {
        var exchange = template.request(uri, e -> {
            e.getMessage().setBody(body);
            e.getMessage().setHeaders(new HashMap<>(headers));
        });
        if (exchange.getException() instanceof RuntimeException e) {
            throw e;
        }
        return exchange.getMessage();
    }

    private Map<?, ?> customer(Object body, Map<String, Object> headers) {
        return call("stripe:customers", body, headers).getBody(Map.class);
    }

    private List<ApiCall> writes() {
        return simulator.apiCalls().stream().filter(ApiCall::wrote).toList();
    }

    @Test
    void creates_retrieves_updates_clears_and_deletes_a_customer() {
        var created = customer("""
                {"name": "Zoë 😀", "email": "zoe@example.com", "phone": "+47", "address": {"city": "Oslo", "country": "NO"}, "metadata": {"hub_id": "7"}}""",
                Map.of());
        var id = Map.<String, Object>of(OBJECT_ID, created.get("id"));

        assertEquals("Zoë 😀", created.get("name"));
        assertEquals(created, call("stripe:customers?method=retrieve", null, id).getBody());

        var updated = call("stripe:customers?method=update", "{\"phone\": null, \"address\": null, \"metadata\": {\"seen\": true}}", id).getBody(Map.class);
        assertEquals("Zoë 😀", updated.get("name"));
        assertNull(updated.get("phone"));
        assertNull(updated.get("address"));
        assertEquals(Map.of("hub_id", "7", "seen", "true"), updated.get("metadata"));

        var deleted = call("stripe:customers?method=delete", updated, id).getBody(Map.class);
        assertEquals(Map.of("id", created.get("id"), "object", "customer", "deleted", true), deleted);
        assertEquals(deleted, call("stripe:customers?method=retrieve", null, id).getBody());
        assertEquals(5, simulator.apiCalls().size());
    }

    @Test
    void lists_page_by_page() {
        for (var name : List.of("a", "b", "c")) {
            customer(Map.of("name", name), Map.of());
        }

        var first = call("stripe:customers?method=list", Map.of("limit", 2), Map.of()).getBody(Map.class);
        var data = (List<?>) first.get("data");
        var last = ((Map<?, ?>) data.get(1)).get("id");
        var second = call("stripe:customers?method=list", Map.of("limit", 2, "starting_after", last), Map.of()).getBody(Map.class);

        assertEquals(true, first.get("has_more"));
        assertEquals(2, data.size());
        assertEquals(false, second.get("has_more"));
        assertEquals("a", ((Map<?, ?>) ((List<?>) second.get("data")).get(0)).get("name"));
    }

    @Test
    void tells_a_replayed_answer_from_a_new_one() {
        var before = Instant.now().getEpochSecond();
        var first = call("stripe:customers", Map.of("name", "Ann"), Map.of(IDEMPOTENCY_KEY, "bactrian:1"));
        var second = call("stripe:customers", Map.of("name", "Ann"), Map.of(IDEMPOTENCY_KEY, "bactrian:1"));

        assertEquals(first.getBody(), second.getBody());
        assertEquals(false, first.getHeader(IDEMPOTENT_REPLAYED));
        assertEquals(true, second.getHeader(IDEMPOTENT_REPLAYED));
        assertNotEquals(first.getHeader(REQUEST_ID), second.getHeader(REQUEST_ID));
        assertTrue(second.getHeader(StripeHeaders.DATE, Long.class) >= before);
        assertEquals(1, writes().size());
    }

    @Test
    void reports_what_stripe_refuses() {
        var wrongEmail = assertThrows(StripeApiException.class, () -> customer(Map.of("email", "Ann Secret"), Map.of()));
        assertEquals("email_invalid", wrongEmail.getCode());
        assertEquals("permanent", wrongEmail.getKind());

        var unknown = assertThrows(StripeApiException.class, () -> customer(Map.of("colour", "red"), Map.of()));
        assertEquals("parameter_unknown", unknown.getCode());
        assertEquals("colour", unknown.getParam());

        var missing = assertThrows(StripeApiException.class, () -> call("stripe:customers?method=update", Map.of("name", "Ann"), Map.of(OBJECT_ID, "cus_none")));
        assertEquals(404, missing.getHttpStatus());
        assertEquals("resource_missing", missing.getCode());

        customer(Map.of("name", "Ann"), Map.of(IDEMPOTENCY_KEY, "bactrian:1"));
        var reused = assertThrows(StripeApiException.class, () -> customer(Map.of("name", "Bob"), Map.of(IDEMPOTENCY_KEY, "bactrian:1")));
        assertEquals("idempotency_error", reused.getType());
        assertEquals("permanent", reused.getKind());

        var key = assertThrows(StripeApiException.class, () -> call("stripe:customers?apiKey=sk_test_other", null, Map.of()));
        assertEquals("fatal", key.getKind());
        assertEquals(1, writes().size());
    }

    @Test
    void reports_what_may_succeed_later() {
        for (var fault : List.of(Fault.TOO_MANY_REQUESTS, Fault.LOCK_TIMEOUT, Fault.SERVER_ERROR)) {
            simulator.faults().next(fault, 1);
            var failure = assertThrows(StripeApiException.class, () -> customer(Map.of("name", "Ann"), Map.of()));
            assertTrue(failure.isTransientFailure(), fault::name);
        }
        assertEquals(3, simulator.apiCalls().size());
    }

    @Test
    void does_a_write_once_although_its_answer_was_lost() {
        Map<String, Object> key = Map.of(IDEMPOTENCY_KEY, "bactrian:1");
        simulator.faults().next(Fault.HANG_AFTER_COMMIT, 1);

        var failure = assertThrows(StripeApiException.class, () -> call("stripe:customers?readTimeout=200", Map.of("name", "Ann"), key));
        assertEquals("timeout", failure.getCode());
        assertEquals("Ann", customer(Map.of("name", "Ann"), key).get("name"));

        assertEquals(1, writes().size());
        assertEquals(1, simulator.dashboard().customers().size());
    }

    @Test
    void sends_a_write_again_itself_only_under_the_same_key() {
        simulator.faults().next(Fault.RESET_AFTER_COMMIT, 1);

        var message = call("stripe:customers", Map.of("name", "Ann"), Map.of());

        assertEquals(true, message.getHeader(IDEMPOTENT_REPLAYED));
        assertEquals(1, writes().size());
        assertEquals(1, simulator.apiCalls().stream().map(ApiCall::idempotencyKey).distinct().count());
    }

    @Test
    void accepts_the_simulators_webhooks() throws Exception {
        var signature = new StripeSignature();
        signature.setSecrets("whsec_other,whsec_sandbox");
        var results = new CopyOnWriteArrayList<StripeSignature.Result>();
        var endpoint = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        endpoint.createContext("/", exchange -> {
            results.add(signature.check(exchange.getRequestHeaders().getFirst("Stripe-Signature"), exchange.getRequestBody().readAllBytes()));
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
        });
        endpoint.start();
        try {
            simulator.webhookUrl("http://127.0.0.1:" + endpoint.getAddress().getPort());
            customer(Map.of("name", "Zoë 😀"), Map.of());

            await().untilAsserted(() -> assertEquals(List.of(StripeSignature.Result.OK), results));
        } finally {
            endpoint.stop(0);
        }
    }
}
