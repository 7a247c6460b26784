package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.bactrian.sandbox.stripe.Access.Level;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Keys that may not do everything. */
class AccessTest {

    private StripeSimulator simulator;
    private Http secret;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory().withAccountId("acct_7"));
        secret = Http.to(simulator);
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void a_restricted_key_does_what_it_was_granted_and_is_told_what_it_lacks() throws Exception {
        simulator.access().grant("rk_test_half1234", Map.of("customers", Level.WRITE, "invoices", Level.READ));
        var restricted = new Http(simulator.baseUrl(), "rk_test_half1234");
        var customer = restricted.post("/v1/customers", "name=Ada").id();
        assertEquals(200, restricted.get("/v1/customers/" + customer).status());
        assertEquals(200, restricted.get("/v1/invoices").status());
        assertRefused("rak_invoice_write", restricted.post("/v1/invoices", "customer=" + customer));
        assertRefused("rak_invoice_item_write", restricted.post("/v1/invoiceitems", "customer=" + customer));
        assertRefused("rak_plan_read", restricted.get("/v1/prices"));
        assertRefused("rak_event_read", restricted.get("/v1/events"));
        assertEquals("{\"error\":{\"code\":\"more_permissions_required\",\"doc_url\":\"https://docs.stripe.com/error-codes#more-permissions-required\",\"message\":"
                        + "\"The provided key 'rk_****1234' does not have the required permissions for this endpoint on account 'acct_7'. Having the"
                        + " 'rak_accounts_kyc_basic_read' permission would allow this request to continue.\",\"type\":\"invalid_request_error\"}}",
                without(restricted.get("/v1/account").json(), "request_log_url"));
        assertEquals(200, secret.post("/v1/invoices", "customer=" + customer).status());
        assertEquals(401, new Http(simulator.baseUrl(), "rk_test_other").get("/v1/customers").status());
    }

    @Test
    void the_secret_key_may_be_limited_and_single_objects_hidden() throws Exception {
        var hidden = secret.post("/v1/customers", "name=Ada").id();
        var shown = secret.post("/v1/customers", "name=Bob").id();
        var control = new Http(simulator.baseUrl(), null);
        assertEquals(200, control.json("/simulator/permissions", json("{'withheld':{'products':'read'},'hidden':['" + hidden + "']}")).status());
        assertRefused("rak_product_write", secret.post("/v1/products", "name=Saddle"));
        assertEquals(200, secret.get("/v1/products").status());
        assertRefused("rak_customer_read", secret.get("/v1/customers/" + hidden));
        assertEquals(200, secret.get("/v1/customers/" + shown).status());
        assertEquals(400, control.json("/simulator/permissions", json("{'withheld':{'prodcts':'read'}}")).status());
        assertEquals("{\"withheld\":{\"products\":\"read\"},\"restricted\":{},\"hidden\":[\"" + hidden + "\"]}", control.get("/simulator/permissions").json().toString());
        control.delete("/simulator/permissions");
        assertEquals(200, secret.post("/v1/products", "name=Saddle").status());
        assertEquals(200, secret.get("/v1/customers/" + hidden).status());
    }

    @Test
    void a_refusal_is_not_kept_under_the_idempotency_key() throws Exception {
        simulator.access().limit("customers", Level.READ);
        assertEquals(403, secret.post("/v1/customers", "name=Ada", "Idempotency-Key", "k").status());
        simulator.access().clear();
        assertEquals(200, secret.post("/v1/customers", "name=Ada", "Idempotency-Key", "k").status());
    }

    @Test
    void a_key_tells_whose_it_is() throws Exception {
        assertEquals("acct_7", secret.get("/v1/account").id());
        new Http(simulator.baseUrl(), null).json("/simulator/account", json("{'id':'acct_8'}"));
        assertEquals("acct_8", secret.get("/v1/account").id());
    }

    private static void assertRefused(String permission, Http.Reply reply) {
        assertEquals(403, reply.status());
        assertEquals(permission, reply.error().get("message").asText().replaceFirst(".*'(rak_[a-z_]+)'.*", "$1"));
    }

    private static String without(JsonNode reply, String field) {
        ((ObjectNode) reply.get("error")).remove(field);
        return reply.toString();
    }

    private static ObjectNode json(String text) {
        return Json.object(text.replace('\'', '"').getBytes(StandardCharsets.UTF_8));
    }
}
