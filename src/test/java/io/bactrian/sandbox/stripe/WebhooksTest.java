package io.bactrian.sandbox.stripe;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.stripe.exception.SignatureVerificationException;
import com.stripe.net.Webhook;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WebhooksTest {

    private Receiver receiver;
    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        receiver = new Receiver();
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory().withWebhookSecret("whsec_new, whsec_old").withWebhookUrl(receiver.url()));
        http = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
        receiver.close();
    }

    @Test
    void are_signed_with_each_secret() throws Exception {
        http.post("/v1/customers", "name=Zo%C3%AB%20%F0%9F%90%AA");
        quiet();
        var webhook = receiver.received.get(0);
        for (var secret : List.of("whsec_new", "whsec_old")) {
            assertEquals("customer.created", Webhook.constructEvent(webhook.body(), webhook.signature(), secret).getType());
        }
        assertThrows(SignatureVerificationException.class, () -> Webhook.constructEvent(webhook.body(), webhook.signature(), "whsec_other"));
        assertThrows(SignatureVerificationException.class, () -> Webhook.constructEvent(webhook.body() + " ", webhook.signature(), "whsec_new"));
    }

    /** The vector was computed with OpenSSL: printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test */
    @Test
    void are_signed_as_openssl_would() {
        assertEquals("t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925", Signature.header(1_700_000_000, "{\"id\":\"evt_1\"}".getBytes(), List.of("whsec_test")));
    }

    @Test
    void are_retried_until_a_2xx() throws Exception {
        receiver.status = webhook -> receiver.received.size() < 3 ? 503 : 202;
        var customer = http.post("/v1/customers", "name=Ada").id();
        assertFalse(simulator.webhooksIdle());
        assertEquals(1, http.get("/v1/events?delivery_success=false").json().get("data").size());
        quiet();
        assertEquals(3, receiver.received.size());
        assertEquals(1, new HashSet<>(bodies()).size());
        var event = http.get("/v1/events").json().get("data").get(0);
        assertEquals(customer, event.get("data").get("object").get("id").asText());
        assertEquals(0, event.get("pending_webhooks").asInt());
        assertEquals(1, receiver.received.get(0).json().get("pending_webhooks").asInt());
        assertEquals(0, http.get("/v1/events?delivery_success=false").json().get("data").size());
        assertEquals(1, http.get("/v1/events?delivery_success=true").json().get("data").size());
    }

    @Test
    void wait_for_an_endpoint_that_is_not_there_yet() throws Exception {
        var url = receiver.url();
        receiver.close();
        http.post("/v1/customers", "name=Ada");
        await().atMost(30, SECONDS).until(() -> deliveryStatuses().contains("retrying"));
        receiver = new Receiver();
        assertNotEquals(url, receiver.url());
        simulator.webhookUrl(receiver.url());
        quiet();
        assertEquals(1, receiver.received.size());
    }

    @Test
    void arrive_in_order_for_each_object() throws Exception {
        var ids = new ArrayList<String>();
        for (var i = 0; i < 10; i++) {
            ids.add(http.post("/v1/customers", "name=0").id());
        }
        for (var i = 1; i <= 20; i++) {
            for (var id : ids) {
                simulator.dashboard().updateCustomer(id, Map.of("name", i));
            }
        }
        quiet();
        for (var id : ids) {
            assertEquals(IntStream.rangeClosed(0, 20).mapToObj(String::valueOf).toList(), names(id));
        }
    }

    @Test
    void of_other_objects_overtake_one_that_fails() throws Exception {
        receiver.status = webhook -> webhook.body().contains("stuck") ? 500 : 200;
        http.post("/v1/customers", "name=stuck");
        http.post("/v1/customers", "name=free");
        await().atMost(30, SECONDS).until(() -> deliveryStatuses().containsAll(Set.of("retrying", "succeeded")));
        assertFalse(simulator.webhooksIdle());
    }

    @Test
    void get_lost_on_demand_and_show_as_undelivered() throws Exception {
        simulator.faults().next(Fault.WEBHOOK_LOST, 1);
        var lost = http.post("/v1/customers", "name=lost").id();
        http.post("/v1/customers", "name=found");
        quiet();
        assertEquals(1, receiver.received.size());
        var missed = http.get("/v1/events?delivery_success=false").json().get("data");
        assertEquals(1, missed.size());
        assertEquals(lost, missed.get(0).get("data").get("object").get("id").asText());
    }

    @Test
    void come_twice_on_demand() throws Exception {
        simulator.faults().next(Fault.WEBHOOK_DUPLICATED, 1);
        http.post("/v1/customers", "name=Ada");
        quiet();
        assertEquals(2, receiver.received.size());
        assertEquals(1, new HashSet<>(bodies()).size());
    }

    @Test
    void come_late_and_out_of_order_on_demand() throws Exception {
        simulator.faults().seed(7).probability(Fault.WEBHOOK_SHUFFLED, 1).webhookDelay(10, 50);
        var id = http.post("/v1/customers", "name=0").id();
        for (var i = 1; i < 20; i++) {
            simulator.dashboard().updateCustomer(id, Map.of("name", i));
        }
        quiet();
        assertEquals(20, new HashSet<>(names(id)).size());
        assertNotEquals(IntStream.range(0, 20).mapToObj(String::valueOf).toList(), names(id));
    }

    @Test
    void go_to_endpoints_made_through_the_api() throws Exception {
        simulator.webhookUrl(null);
        var created = http.post("/v1/webhook_endpoints", "url=" + receiver.url() + "&enabled_events[]=customer.created&enabled_events[]=price.created").json();
        var path = "/v1/webhook_endpoints/" + created.get("id").asText();
        var secret = created.get("secret").asText();
        assertTrue(secret.startsWith("whsec_"));
        assertNull(http.get(path).json().get("secret"));
        assertNull(http.get("/v1/webhook_endpoints").json().get("data").get(0).get("secret"));
        var customer = "/v1/customers/" + http.post("/v1/customers", "name=Ada").id();
        http.post(customer, "name=Bob");
        quiet();
        assertEquals(1, receiver.received.size());
        assertEquals("customer.created", Webhook.constructEvent(receiver.received.get(0).body(), receiver.received.get(0).signature(), secret).getType());
        assertEquals("disabled", http.post(path, "disabled=true").json().get("status").asText());
        http.post("/v1/customers", "name=Eve");
        http.post(path, "disabled=false&enabled_events[]=*");
        http.post(customer, "name=Cleo");
        quiet();
        assertEquals(2, receiver.received.size());
        assertEquals("customer.updated", receiver.received.get(1).json().get("type").asText());
        assertTrue(http.delete(path).json().get("deleted").asBoolean());
        http.post("/v1/customers", "name=Zed");
        assertTrue(simulator.webhooksIdle());
        assertEquals(400, http.post("/v1/webhook_endpoints", "url=ftp://x&enabled_events[]=*").status());
    }

    private void quiet() {
        await().atMost(30, SECONDS).until(simulator::webhooksIdle);
    }

    private List<String> bodies() {
        return receiver.received.stream().map(Receiver.Received::body).toList();
    }

    private List<String> names(String customer) {
        return receiver.received.stream().map(webhook -> webhook.json().get("data").get("object"))
                .filter(object -> object.get("id").asText().equals(customer)).map(object -> object.get("name").asText()).toList();
    }

    private List<String> deliveryStatuses() throws Exception {
        return http.get("/simulator/state").json().get("deliveries").findValuesAsText("status");
    }
}
