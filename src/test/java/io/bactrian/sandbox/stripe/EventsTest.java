package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EventsTest {

    private final TestClock clock = new TestClock(Instant.ofEpochSecond(1_800_000_000, 999_000_000));
    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory(), clock);
        http = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void tell_which_call_caused_them() throws Exception {
        var reply = http.post("/v1/customers", "name=Ada", "Idempotency-Key", "bactrian:customers:1:1:abc");
        var event = newest();
        assertTrue(event.get("id").asText().matches("evt_1[0-9A-Za-z]{23}"));
        assertEquals("customer.created", event.get("type").asText());
        assertEquals(1_800_000_000, event.get("created").asLong());
        assertEquals(Events.API_VERSION, event.get("api_version").asText());
        assertEquals(reply.json(), event.get("data").get("object"));
        assertEquals(reply.header("Request-Id"), event.get("request").get("id").asText());
        assertEquals("bactrian:customers:1:1:abc", event.get("request").get("idempotency_key").asText());
        assertFalse(event.get("data").has("previous_attributes"));
    }

    @Test
    void have_no_idempotency_key_when_made_in_the_dashboard() throws Exception {
        var id = simulator.dashboard().createCustomer(Map.of("name", "Ada")).get("id").asText();
        assertTrue(newest().get("request").get("id").asText().startsWith("req_"));
        assertTrue(newest().get("request").get("idempotency_key").isNull());
        var clear = new HashMap<String, Object>();
        clear.put("name", null);
        clear.put("address", Map.of("city", "Oslo"));
        clear.put("balance", 7);
        simulator.dashboard().updateCustomer(id, clear);
        assertEquals("{\"address\":null,\"balance\":0,\"name\":\"Ada\"}", newest().get("data").get("previous_attributes").toString());
        simulator.dashboard().deleteCustomer(id);
        assertEquals("customer.deleted", newest().get("type").asText());
        assertTrue(simulator.dashboard().customer(id).get("deleted").asBoolean());
    }

    @Test
    void are_refused_in_the_dashboard_as_in_the_api() {
        var refused = assertThrows(IllegalArgumentException.class, () -> simulator.dashboard().createCustomer(Map.of("email", "nobody")));
        assertTrue(refused.getMessage().startsWith("email: "));
        assertThrows(IllegalArgumentException.class, () -> simulator.dashboard().deleteCustomer("cus_missing"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "name=Bob                         | {\"name\":\"Ada\"}",
        "address[line1]=2                 | {\"address\":{\"line1\":\"1\"}}",
        "address[line2]=3                 | {\"address\":{\"line2\":null}}",
        "address=                         | {\"address\":{\"city\":\"Oslo\",\"country\":null,\"line1\":\"1\",\"line2\":null,\"postal_code\":null,\"state\":null}}",
        "metadata[new]=1                  | {\"metadata\":{\"new\":null}}",
        "metadata[hub_id]=                | {\"metadata\":{\"hub_id\":\"7\"}}",
        "metadata[hub_id]=8&name=Ada      | {\"metadata\":{\"hub_id\":\"7\"}}",
        "email=                           | {\"email\":\"ada@example.com\"}",
    })
    void show_the_old_values_of_what_changed(String form, String previous) throws Exception {
        var id = http.post("/v1/customers", "name=Ada&email=ada@example.com&address[city]=Oslo&address[line1]=1&metadata[hub_id]=7").id();
        http.post("/v1/customers/" + id, form);
        assertEquals("customer.updated", newest().get("type").asText());
        assertEquals(previous, newest().get("data").get("previous_attributes").toString());
    }

    @ParameterizedTest
    @CsvSource({"name=Ada", "balance=0", "phone=", "address=", "metadata[none]=", "metadata[a]=1", "''"})
    void do_not_come_from_an_update_that_changes_nothing(String form) throws Exception {
        var id = http.post("/v1/customers", "name=Ada&metadata[a]=1").id();
        var before = newest();
        assertEquals(200, http.post("/v1/customers/" + id, form).status());
        assertEquals(before, newest());
    }

    @Test
    void do_not_come_from_a_refused_call() throws Exception {
        var id = http.post("/v1/customers", "name=Ada").id();
        http.post("/v1/customers/" + id, "name=Bob&email=broken");
        assertEquals("customer.created", newest().get("type").asText());
        assertEquals("Ada", http.get("/v1/customers/" + id).json().get("name").asText());
    }

    @Test
    void carry_the_whole_object_when_it_is_deleted() throws Exception {
        var id = http.post("/v1/customers", "name=Ada").id();
        http.delete("/v1/customers/" + id);
        assertEquals("Ada", newest().get("data").get("object").get("name").asText());
        assertFalse(newest().get("data").get("object").has("deleted"));
    }

    @Test
    void are_kept_for_30_days() throws Exception {
        http.post("/v1/customers", "name=old");
        clock.advance(Duration.ofDays(31));
        http.post("/v1/customers", "name=new");
        assertEquals(1, http.get("/v1/events").json().get("data").size());
    }

    @Test
    void of_products_and_prices_are_their_own() throws Exception {
        var product = http.post("/v1/products", "name=Tea").id();
        var price = http.post("/v1/prices", "currency=NOK&unit_amount=4900&product=" + product + "&recurring[interval]=month").json();
        assertEquals("nok", price.get("currency").asText());
        assertEquals("4900", price.get("unit_amount_decimal").asText());
        assertEquals("recurring", price.get("type").asText());
        assertEquals("price.created", newest().get("type").asText());
        assertEquals(400, http.delete("/v1/products/" + product).status());
        assertEquals(400, http.post("/v1/prices", "currency=nok&unit_amount=1&product=prod_missing").status());
        clock.advanceSeconds(5);
        var updated = http.post("/v1/products/" + product, "default_price=" + price.get("id").asText() + "&active=false").json();
        assertEquals(updated.get("created").asLong() + 5, updated.get("updated").asLong());
        assertEquals("[\"active\",\"default_price\",\"updated\"]", Json.MAPPER.valueToTree(
                new java.util.TreeSet<>(Json.MAPPER.convertValue(newest().get("data").get("previous_attributes"), Map.class).keySet())).toString());
        assertEquals(1, http.get("/v1/prices?product=" + product + "&active=true").json().get("data").size());
    }

    private JsonNode newest() throws Exception {
        return http.get("/v1/events?limit=1").json().get("data").get(0);
    }
}
