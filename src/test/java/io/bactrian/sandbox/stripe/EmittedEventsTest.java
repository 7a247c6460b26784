package io.bactrian.sandbox.stripe;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.stripe.net.Webhook;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Events in the account's own API version, and those that no call causes. */
class EmittedEventsTest {

    private Receiver receiver;
    private StripeSimulator simulator;
    private Http http;
    private Http control;

    @BeforeEach
    void start() throws Exception {
        receiver = new Receiver();
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory().withApiVersion("2024-06-20").withWebhookUrl(receiver.url()));
        http = Http.to(simulator);
        control = new Http(simulator.baseUrl(), null);
    }

    @AfterEach
    void stop() {
        simulator.close();
        receiver.close();
    }

    @Test
    void events_are_spelled_in_the_version_of_their_time_and_answers_are_not() throws Exception {
        var customer = http.post("/v1/customers", "name=Ada").id();
        var product = http.post("/v1/products", "name=Lamp&default_price_data[currency]=eur&default_price_data[unit_amount]=1999").id();
        var price = http.get("/v1/products/" + product).json().get("default_price").asText();
        var invoice = http.post("/v1/invoices", "customer=" + customer + "&currency=eur").id();
        var item = http.post("/v1/invoiceitems", "customer=" + customer + "&invoice=" + invoice + "&quantity=2&pricing[price]=" + price).json();
        var listed = http.get("/v1/events?type=invoice.updated&limit=1").json().at("/data/0");
        simulator.apiVersion(Events.API_VERSION);
        http.post("/v1/invoices/" + invoice, "description=new");

        assertEquals("2024-06-20", listed.get("api_version").asText());
        var line = listed.at("/data/object/lines/data/0");
        assertEquals(item.get("id"), line.get("invoice_item"));
        assertEquals(product, line.at("/price/product").asText());
        assertEquals(1999, line.at("/price/unit_amount").asInt());
        assertEquals(Set.of("parent", "pricing", "quantity_decimal", "taxes"), absent(line, "parent", "pricing", "quantity_decimal", "taxes"));
        assertEquals(Set.of("parent", "total_taxes"), absent(listed.at("/data/object"), "parent", "total_taxes"));
        assertFalse(listed.at("/data/object/paid").asBoolean(true));
        assertTrue(item.has("pricing"));
        assertTrue(http.get("/v1/invoices/" + invoice).json().at("/lines/data/0").has("pricing"));

        assertEquals(listed.get("data"), http.get("/v1/events/" + listed.get("id").asText()).json().get("data"), "it keeps the version of its time");
        await().atMost(10, SECONDS).until(simulator::webhooksIdle);
        var old = webhook("invoiceitem.created");
        assertEquals(1999, old.at("/data/object/unit_amount").asInt());
        assertFalse(old.at("/data/object").has("pricing"));
        assertEquals(Events.API_VERSION, receiver.received.get(receiver.received.size() - 1).json().get("api_version").asText());
        assertTrue(receiver.received.get(receiver.received.size() - 1).json().at("/data/object/lines/data/0").has("pricing"));
    }

    @Test
    void an_event_of_a_connected_account_is_delivered_and_its_object_cannot_be_read() throws Exception {
        var sent = control.json("/simulator/events", Json.object(("{\"type\":\"customer.created\",\"account\":\"acct_somebody\",\"object\":"
                + "{\"id\":\"cus_theirs\",\"object\":\"customer\",\"name\":\"A merchant's\"}}").getBytes())).json();
        await().atMost(10, SECONDS).until(() -> !receiver.received.isEmpty());
        assertEquals(sent, webhook("customer.created"));
        assertEquals("acct_somebody", sent.get("account").asText());
        assertEquals("resource_missing", http.get("/v1/customers/cus_theirs").error().get("code").asText());
        assertEquals(0, http.get("/v1/events").json().get("data").size());
    }

    @Test
    void an_event_may_be_live_listed_and_of_any_time() {
        var id = simulator.dashboard().createCustomer(Map.of("name", "Ada")).get("id").asText();
        var live = simulator.emit(Map.of("type", "customer.updated", "object", id, "livemode", true, "created", 1_700_000_000, "api_version", Events.API_VERSION));
        assertTrue(live.get("livemode").asBoolean());
        assertEquals(1_700_000_000, live.get("created").asInt());
        assertEquals("Ada", live.at("/data/object/name").asText());
        var listed = simulator.emit(Map.of("type", "customer.updated", "object", id, "livemode", true, "listed", true)).get("id").asText();
        assertDoesNotThrow(() -> assertEquals(listed, http.get("/v1/events?limit=1").json().at("/data/0/id").asText()));
    }

    @Test
    void thin_events_are_signed_and_have_no_object() throws Exception {
        simulator.emit(Map.of("type", "v2.core.event_destination.ping", "thin", true,
                "related_object", Map.of("id", "ed_1", "type", "v2.core.event_destination", "url", "/v2/core/event_destinations/ed_1")));
        receiver.status = webhook -> receiver.received.size() < 3 ? 500 : 200;
        simulator.emit(Map.of("type", "v1.customer.updated", "thin", true, "related_object", Map.of("id", "cus_1", "type", "customer", "url", "/v1/customers/cus_1")));
        await().atMost(10, SECONDS).until(() -> simulator.webhooksIdle() && receiver.received.size() >= 3);
        var ping = webhook("v2.core.event_destination.ping");
        assertEquals("v2.core.event", ping.get("object").asText());
        assertTrue(ping.get("created").asText().matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z"));
        assertEquals("ed_1", ping.at("/related_object/id").asText());
        assertFalse(ping.has("data"));
        for (var received : receiver.received) {
            assertTrue(Webhook.Signature.verifyHeader(received.body(), received.signature(), "whsec_sandbox", 300));
        }
        assertEquals(0, http.get("/v1/events").json().get("data").size());
    }

    @Test
    void what_makes_no_sense_is_refused() throws Exception {
        for (var wrong : List.of("{}", "{\"type\":\"a\",\"object\":\"cus_none\"}", "{\"type\":\"a\",\"objekt\":{}}", "{\"type\":\"a\",\"object\":{},\"api_version\":\"2020-08-27\"}")) {
            assertEquals(400, control.json("/simulator/events", Json.object(wrong.getBytes())).status(), wrong);
        }
        assertEquals(400, control.json("/simulator/account", Json.object("{\"api_version\":\"2020-08-27\"}".getBytes())).status());
        assertEquals("{\"id\":\"acct_simulator\",\"api_version\":\"2024-06-20\"}", control.get("/simulator/account").json().toString());
        assertEquals(List.of(), receiver.received);
    }

    private JsonNode webhook(String type) {
        return receiver.received.stream().map(Receiver.Received::json).filter(event -> event.get("type").asText().equals(type)).findFirst().orElseThrow();
    }

    private static Set<String> absent(JsonNode node, String... fields) {
        var absent = new HashSet<String>();
        for (var field : fields) {
            if (!node.has(field)) {
                absent.add(field);
            }
        }
        return absent;
    }
}
