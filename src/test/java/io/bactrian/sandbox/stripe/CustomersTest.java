package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Customers, parameters and errors over HTTP. */
class CustomersTest {

    private StripeSimulator simulator;
    private Http http;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void shows_every_field_of_a_new_customer() throws Exception {
        var customer = http.post("/v1/customers", "").json();
        assertTrue(customer.get("id").asText().matches("cus_[0-9A-Za-z]{14}"));
        for (var field : List.of("address", "currency", "default_source", "description", "discount", "email", "name", "phone", "shipping", "test_clock")) {
            assertTrue(customer.has(field) && customer.get(field).isNull(), field);
        }
        assertEquals("customer", customer.get("object").asText());
        assertFalse(customer.get("livemode").asBoolean());
        assertEquals("{}", customer.get("metadata").toString());
        assertEquals("none", customer.get("tax_exempt").asText());
    }

    @Test
    void sends_stripes_headers() throws Exception {
        var reply = http.post("/v1/customers", "name=Ada", "Idempotency-Key", "k1");
        assertTrue(reply.header("Request-Id").matches("req_[0-9A-Za-z]{14}"));
        assertTrue(reply.header("Date").endsWith(" GMT"));
        assertEquals(Events.API_VERSION, reply.header("Stripe-Version"));
        assertEquals("k1", reply.header("Idempotency-Key"));
        assertEquals("application/json", reply.header("Content-Type"));
        assertEquals("2024-04-10", http.send(http.request("/v1/customers").header("Stripe-Version", "2024-04-10")).header("Stripe-Version"));
    }

    @Test
    void merges_a_hash_and_unsets_with_an_empty_string() throws Exception {
        var path = "/v1/customers/" + http.post("/v1/customers", "name=Ada&phone=1&address[city]=London&address[line1]=x").id();
        var address = http.post(path, "address[line1]=&address[country]=GB&phone=").json();
        assertEquals("{\"city\":\"London\",\"country\":\"GB\",\"line1\":null,\"line2\":null,\"postal_code\":null,\"state\":null}", address.get("address").toString());
        assertTrue(address.get("phone").isNull());
        assertEquals("Ada", address.get("name").asText());
        assertTrue(http.post(path, "address=").json().get("address").isNull());
    }

    @Test
    void merges_metadata_and_removes_emptied_keys() throws Exception {
        var path = "/v1/customers/" + http.post("/v1/customers", "metadata[a]=1&metadata[0]=zero").id();
        assertEquals("{\"0\":\"zero\",\"b\":\"2\"}", http.post(path, "metadata[a]=&metadata[b]=2&metadata[none]=").json().get("metadata").toString());
        assertEquals("{}", http.post(path, "metadata=").json().get("metadata").toString());
    }

    @Test
    void keeps_quotes_markup_and_emoji() throws Exception {
        var path = "/v1/customers/" + http.post("/v1/customers", "name=%3Cscript%3E%22O%27Brien%22%20%F0%9F%90%AA%20Zo%C3%AB").id();
        assertEquals("<script>\"O'Brien\" 🐪 Zoë", http.get(path).json().get("name").asText());
    }

    @Test
    void leaves_a_tombstone() throws Exception {
        var id = http.post("/v1/customers", "name=Ada").id();
        var path = "/v1/customers/" + id;
        assertEquals(400, http.send(http.request(path + "?reason=x").DELETE()).status());
        var gone = "{\"id\":\"" + id + "\",\"object\":\"customer\",\"deleted\":true}";
        assertEquals(gone, http.delete(path).json().toString());
        assertEquals(gone, http.get(path).json().toString());
        assertEquals(404, http.post(path, "name=Bob").status());
        assertEquals("resource_missing", http.delete(path).error().get("code").asText());
        assertEquals(0, http.get("/v1/customers").json().get("data").size());
    }

    @Test
    void expands_an_id_into_its_object() throws Exception {
        var customer = http.post("/v1/customers", "name=Ada").id();
        var invoice = http.post("/v1/invoices", "customer=" + customer + "&expand[]=customer").json();
        assertEquals("Ada", invoice.get("customer").get("name").asText());
        assertEquals("Ada", http.get("/v1/invoices?expand[]=data.customer").json().get("data").get(0).get("customer").get("name").asText());
        assertEquals(400, http.get("/v1/invoices/" + invoice.get("id").asText() + "?expand[]=nonsense").status());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "nickname=x                    | parameter_unknown       | nickname",
        "address[planet]=Mars          | parameter_unknown       | address[planet]",
        "email=nobody                  | email_invalid           | email",
        "email=a%20b@example.com       | email_invalid           | email",
        "balance=ten                   | parameter_invalid_integer | balance",
        "name=                         | parameter_invalid_empty | name",
        "tax_exempt=maybe              | parameter_invalid_choice | tax_exempt",
        "address=Oslo                  | parameter_invalid_object | address",
        "preferred_locales=en          | parameter_invalid_array | preferred_locales",
        "name[first]=Ada               |                         | name",
        "shipping[name]=Ada            | parameter_missing       | shipping[address]",
    })
    void rejects_what_stripe_rejects(String form, String code, String param) throws Exception {
        var reply = http.post("/v1/customers", form);
        assertEquals(400, reply.status());
        assertEquals("invalid_request_error", reply.error().get("type").asText());
        assertEquals(code, reply.error().path("code").asText(null));
        assertEquals(param, reply.error().path("param").asText());
        assertFalse(reply.error().get("message").asText().isEmpty());
        assertEquals(0, simulator.dashboard().customers().size());
    }

    @ParameterizedTest
    @CsvSource({"name,256", "phone,20", "description,350"})
    void limits_the_length_of_a_text(String field, int max) throws Exception {
        assertEquals(200, http.post("/v1/customers", field + "=" + "%C3%AB".repeat(max)).status());
        var reply = http.post("/v1/customers", field + "=" + "x".repeat(max + 1));
        assertEquals(400, reply.status());
        assertEquals(field, reply.error().get("param").asText());
    }

    @Test
    void limits_metadata() throws Exception {
        assertEquals(400, http.post("/v1/customers", "metadata[" + "k".repeat(41) + "]=v").status());
        assertEquals(400, http.post("/v1/customers", "metadata[k]=" + "v".repeat(501)).status());
        var form = new StringBuilder("metadata[" + "k".repeat(40) + "]=" + "v".repeat(500));
        for (var i = 1; i < 50; i++) {
            form.append("&metadata[k").append(i).append("]=v");
        }
        var full = http.post("/v1/customers", form.toString());
        assertEquals(50, full.json().get("metadata").size());
        assertEquals(400, http.post("/v1/customers/" + full.id(), "metadata[one_more]=v").status());
        assertEquals(200, http.post("/v1/customers/" + full.id(), "metadata[one_more]=v&metadata[k1]=").status());
    }

    @Test
    void asks_for_the_key_as_bearer_or_basic() throws Exception {
        var basic = java.util.Base64.getEncoder().encodeToString("sk_test_sandbox:".getBytes());
        var keyless = new Http(simulator.baseUrl(), null);
        assertEquals(200, keyless.send(keyless.request("/v1/customers").header("Authorization", "Basic " + basic)).status());
        for (var reply : List.of(keyless.get("/v1/customers"), new Http(simulator.baseUrl(), "sk_test_another").get("/v1/customers"))) {
            assertEquals(401, reply.status());
            assertEquals("invalid_request_error", reply.error().get("type").asText());
            assertNotNull(reply.header("Request-Id"));
            assertFalse(reply.json().toString().contains("sk_test_another"));
        }
    }

    @Test
    void answers_404_in_stripes_shape() throws Exception {
        var missing = http.get("/v1/customers/cus_missing");
        assertEquals(404, missing.status());
        assertEquals("resource_missing", missing.error().get("code").asText());
        assertEquals("id", missing.error().get("param").asText());
        assertEquals(404, http.get("/v1/nonsense").status());
        assertEquals(404, http.get("/favicon.ico").status());
        assertEquals(404, http.delete("/v1/prices/price_1").status());
    }

    @Test
    void refuses_a_body_that_is_not_a_form() throws Exception {
        assertEquals(400, http.json("/v1/customers", Json.MAPPER.createObjectNode().put("name", "Ada")).status());
    }
}
