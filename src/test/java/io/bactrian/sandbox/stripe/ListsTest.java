package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ListsTest {

    private final TestClock clock = new TestClock(Instant.ofEpochSecond(1_800_000_000));
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
    void pages_newest_first_in_both_directions() throws Exception {
        var ids = create(25);
        var first = http.get("/v1/customers").json();
        assertEquals("list", first.get("object").asText());
        assertEquals("/v1/customers", first.get("url").asText());
        assertEquals(ids.subList(0, 10), names(first));
        assertTrue(first.get("has_more").asBoolean());
        var second = http.get("/v1/customers?limit=15&starting_after=" + id(first, 9)).json();
        assertEquals(ids.subList(10, 25), names(second));
        assertFalse(second.get("has_more").asBoolean());
        var back = http.get("/v1/customers?limit=5&ending_before=" + id(second, 0)).json();
        assertEquals(ids.subList(5, 10), names(back));
        assertTrue(back.get("has_more").asBoolean());
        assertEquals(List.of(), names(http.get("/v1/customers?ending_before=" + id(first, 0)).json()));
    }

    @Test
    void survives_the_deletion_of_the_cursor() throws Exception {
        create(4);
        var page = http.get("/v1/customers?limit=2").json();
        http.delete("/v1/customers/" + id(page, 1));
        assertEquals(List.of("c1", "c0"), names(http.get("/v1/customers?starting_after=" + id(page, 1)).json()));
    }

    @Test
    void checks_limit_and_cursor() throws Exception {
        assertEquals(400, http.get("/v1/customers?limit=0").status());
        assertEquals(400, http.get("/v1/customers?limit=101").status());
        assertEquals("resource_missing", http.get("/v1/customers?starting_after=cus_no").error().get("code").asText());
        assertEquals(400, http.get("/v1/customers?page=2").status());
        var id = http.post("/v1/customers", "").id();
        assertEquals(400, http.get("/v1/customers?starting_after=" + id + "&ending_before=" + id).status());
    }

    @Test
    void finds_customers_by_email_in_its_exact_case() throws Exception {
        http.post("/v1/customers", "name=one&email=Ada@example.com");
        http.post("/v1/customers", "name=two&email=ada@example.com");
        http.post("/v1/customers", "name=three&email=ada@example.com");
        assertEquals(List.of("three", "two"), names(http.get("/v1/customers?email=ada@example.com").json()));
    }

    @Test
    void selects_by_time_of_creation() throws Exception {
        create(1);
        clock.advanceSeconds(10);
        http.post("/v1/customers", "name=later");
        assertEquals(List.of("later"), names(http.get("/v1/customers?created[gt]=1800000000").json()));
        assertEquals(List.of("later", "c0"), names(http.get("/v1/customers?created[gte]=1800000000&created[lte]=1800000010").json()));
        assertEquals(List.of("c0"), names(http.get("/v1/customers?created[lt]=1800000010").json()));
        assertEquals(List.of("later"), names(http.get("/v1/customers?created=1800000010").json()));
    }

    @Test
    void selects_events_by_type() throws Exception {
        var path = "/v1/customers/" + http.post("/v1/customers", "name=x").id();
        http.post(path, "name=y");
        http.delete(path);
        assertEquals(List.of("customer.updated"), types(http.get("/v1/events?type=customer.updated").json()));
        assertEquals(List.of("customer.deleted", "customer.created"), types(http.get("/v1/events?types[]=customer.created&types[]=customer.deleted").json()));
        var newest = id(http.get("/v1/events").json(), 0);
        var oldest = id(http.get("/v1/events").json(), 2);
        assertEquals(List.of("customer.deleted", "customer.updated"), types(http.get("/v1/events?ending_before=" + oldest).json()));
        assertEquals(List.of(), types(http.get("/v1/events?ending_before=" + newest).json()));
    }

    /** Creates customers and returns their names, newest first. */
    private List<String> create(int count) throws Exception {
        var names = new ArrayList<String>();
        for (var i = 0; i < count; i++) {
            http.post("/v1/customers", "name=c" + i);
            names.add(0, "c" + i);
        }
        return names;
    }

    private static String id(JsonNode list, int index) {
        return list.get("data").get(index).get("id").asText();
    }

    private static List<String> names(JsonNode list) {
        return list.get("data").findValuesAsText("name");
    }

    private static List<String> types(JsonNode list) {
        var types = new ArrayList<String>();
        list.get("data").forEach(event -> types.add(event.get("type").asText()));
        return types;
    }
}
