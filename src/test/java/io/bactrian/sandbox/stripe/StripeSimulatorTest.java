package io.bactrian.sandbox.stripe;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.StripeClient;
import com.stripe.exception.IdempotencyException;
import com.stripe.net.RequestOptions;
import com.stripe.net.Webhook;
import com.stripe.param.CustomerCreateParams;
import com.stripe.param.CustomerUpdateParams;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The simulator as stripe-java sees it. */
class StripeSimulatorTest {

    private StripeSimulator simulator;
    private StripeClient stripe;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build();
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void creates_updates_and_deletes_a_customer() throws Exception {
        var customers = stripe.v1().customers();
        var created = customers.create(CustomerCreateParams.builder().setName("Ada").setEmail("ada@example.com")
                .setAddress(CustomerCreateParams.Address.builder().setCity("London").build()).putMetadata("hub_id", "7").build());
        assertEquals("London", created.getAddress().getCity());
        assertNull(created.getAddress().getLine1());
        var updated = customers.update(created.getId(), CustomerUpdateParams.builder().setName("Ada L.").setDescription("first").build());
        assertEquals("Ada L.", updated.getName());
        assertEquals("7", updated.getMetadata().get("hub_id"));
        assertTrue(customers.delete(created.getId()).getDeleted());
        assertTrue(customers.retrieve(created.getId()).getDeleted());
        assertEquals(3, stripe.v1().events().list().getData().size());
    }

    @Test
    void replays_the_answer_kept_under_an_idempotency_key() throws Exception {
        var options = RequestOptions.builder().setIdempotencyKey("bactrian:1").build();
        var params = CustomerCreateParams.builder().setName("Ada").build();
        var first = stripe.v1().customers().create(params, options);
        var second = stripe.v1().customers().create(params, options);
        assertEquals(first.getId(), second.getId());
        assertEquals("true", second.getLastResponse().headers().firstValue("Idempotent-Replayed").orElseThrow());
        assertEquals(first.getLastResponse().requestId(), second.getLastResponse().headers().firstValue("Original-Request").orElseThrow());
        assertThrows(IdempotencyException.class, () -> stripe.v1().customers().create(CustomerCreateParams.builder().setName("Bob").build(), options));
        assertEquals(1, simulator.apiCalls().stream().filter(ApiCall::wrote).count());
    }

    @Test
    void signs_webhooks() throws Exception {
        try (var receiver = new Receiver()) {
            simulator.webhookUrl(receiver.url());
            var id = simulator.dashboard().createCustomer(Map.of("name", "Zoë 🐪")).get("id").asText();
            simulator.dashboard().updateCustomer(id, Map.of("name", "Zoe"));
            await().atMost(30, SECONDS).until(() -> receiver.received.size() == 2 && simulator.webhooksIdle());
            var update = receiver.received.get(1);
            var event = Webhook.constructEvent(update.body(), update.signature(), "whsec_sandbox");
            assertEquals("customer.updated", event.getType());
            assertEquals(Map.of("name", "Zoë 🐪"), event.getData().getPreviousAttributes());
            assertNull(event.getRequest().getIdempotencyKey());
        }
    }
}
