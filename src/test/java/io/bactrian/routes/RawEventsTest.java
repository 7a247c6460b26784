package io.bactrian.routes;

import static io.bactrian.routes.StripeScene.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.sandbox.stripe.Fault;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Events are stored before anybody is called: what one does not tell, or could not be mapped, is read when its turn comes. */
class RawEventsTest {

    private static StripeScene scene;

    @BeforeAll
    static void start() throws Exception {
        scene = new StripeScene();
    }

    @AfterAll
    static void stop() throws Exception {
        scene.close();
    }

    @BeforeEach
    void begin() throws Exception {
        scene.begin();
    }

    @Test
    void an_event_of_a_paused_system_is_stored_without_a_call() throws Exception {
        var known = scene.dashboard().createProduct(Map.of("name", "Rope", "unit_amount", 100, "currency", "eur"));
        var record = scene.record("products", known);
        scene.awaitEqual();
        scene.run("select sync.pause('stripe')");
        scene.stripe().faults().only("GET", null).probability(Fault.SERVER_ERROR, 1);
        scene.stripe().clearApiCalls();
        var product = scene.dashboard().createProduct(Map.of("name", "Lamp", "unit_amount", 1999, "currency", "eur"));
        scene.dashboard().updateProduct(known.get("id").asText(), Map.of("name", "Long rope", "unit_amount", 200));
        eventually().until(() -> scene.texts("select distinct external_id from sync.event where outcome = 'held'").size() == 2);
        assertEquals(List.of(), scene.stripe().apiCalls());

        scene.stripe().faults().clear();
        scene.run("select sync.resume('stripe')");
        scene.awaitText("1999 EUR", "select unit_amount || ' ' || currency from products where id = " + scene.record("products", product));
        scene.awaitText("Long rope 200", "select name || ' ' || unit_amount from products where id = " + record);
        scene.awaitEqual();
    }

    @Test
    void an_event_that_leaves_out_what_has_not_moved_is_applied_without_a_call() throws Exception {
        var product = scene.dashboard().createProduct(Map.of("name", "Rope", "unit_amount", 100, "currency", "eur"));
        var record = scene.record("products", product);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.dashboard().updateProduct(product.get("id").asText(), Map.of("name", "Long rope"));
        scene.awaitText("Long rope 100", "select name || ' ' || unit_amount from products where id = " + record);
        scene.awaitEqual();
        assertTrue(scene.stripe().apiCalls().isEmpty(), "what the event tells is taken from it, and its price has not moved: " + scene.stripe().apiCalls());
    }

    @Test
    void an_event_that_could_not_be_mapped_is_mapped_anew_from_its_object() throws Exception {
        scene.stripe().faults().probability(Fault.WEBHOOK_LOST, 1);
        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        scene.stripe().faults().clear();
        var id = customer.get("id").asText();
        var event = StripeEvent.recorded("customer.created").about(id).with("/data/object", "address", "12 St James Square").text();
        assertEquals("{\"outcome\":\"failed\"}", scene.application().send(HttpRequest.newBuilder(scene.application().url("/webhooks/stripe"))
                .header("Stripe-Signature", StripeEvent.signature(event, "whsec_sandbox")).POST(BodyPublishers.ofString(event))).body());
        scene.run("select sync.retry('stripe', 'customers', '" + id + "')");
        scene.awaitText("Ada", "select name from customers where id = " + scene.record("customers", customer));
        scene.awaitEqual();
    }

    @Test
    void an_object_that_can_never_be_completed_is_a_failure_after_some_tries() throws Exception {
        scene.application().stopRoute("stripe-products-complete");
        String id;
        try {
            var product = scene.dashboard().createProduct(Map.of("name", "Lamp", "unit_amount", 1999, "currency", "eur"));
            id = id(product);
            eventually().until(() -> {
                scene.run("update sync.event set try_at = now() where outcome = 'hint' and try_at > now() + interval '1 second' and try_at < now() + interval '29 seconds'");
                return !scene.texts("select 1 from sync.failure where record_id = '" + id(product) + "'").isEmpty();
            });
            assertEquals("unread failed", scene.text("select f.code || ' ' || e.outcome from sync.failure f join sync.event e on e.event_id = f.request_id where f.record_id = '" + id + "'"));
        } finally {
            scene.application().startRoute("stripe-products-complete");
        }
        scene.run("select sync.retry('stripe', 'products', '" + id + "')");
        scene.awaitText("Lamp 1999", "select name || ' ' || unit_amount from products where id in (select record_id::bigint from sync.link where external_id = '" + id + "')");
        scene.awaitEqual();
    }

    private static String id(JsonNode object) {
        return object.get("id").asText();
    }
}
