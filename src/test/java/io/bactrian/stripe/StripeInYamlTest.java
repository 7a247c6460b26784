package io.bactrian.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.camel.Exchange;
import org.apache.camel.main.Main;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The component and the signature check as a user sees them: settings in properties, calls in YAML. */
class StripeInYamlTest {

    private RecordingServer stripe;
    private RecordingServer stripeEu;
    private final Main main = new Main();

    @BeforeEach
    void startServers() throws Exception {
        stripe = new RecordingServer();
        stripeEu = new RecordingServer();
    }

    @AfterEach
    void stop() {
        main.stop();
        stripe.close();
        stripeEu.close();
    }

    private void start(Map<String, String> settings) throws Exception {
        var properties = new Properties();
        properties.putAll(Map.ofEntries(
                Map.entry("stripe.api-key", "sk_test_one"),
                Map.entry("stripe.webhook-secret", "whsec_one"),
                Map.entry("camel.component.stripe.api-key", "{{stripe.api-key}}"),
                Map.entry("camel.component.stripe.api-base", stripe.address()),
                Map.entry("camel.component.stripe.read-timeout", "20s"),
                Map.entry("camel.component.stripe.connect-timeout", "2000"),
                Map.entry("camel.beans.stripeEu", "#class:io.bactrian.stripe.StripeComponent"),
                Map.entry("camel.beans.stripeEu.api-key", "sk_test_two"),
                Map.entry("camel.beans.stripeEu.api-base", stripeEu.address()),
                Map.entry("camel.beans.stripeSignature", "#class:io.bactrian.stripe.StripeSignature"),
                Map.entry("camel.beans.stripeSignature.secrets", "{{stripe.webhook-secret}}"),
                Map.entry("camel.beans.stripeSignature.tolerance", "36500d"),
                Map.entry("camel.management.enabled", "false"),
                Map.entry("camel.main.routes-include-pattern", "classpath:io/bactrian/stripe/stripe-in-yaml.camel.yaml")));
        properties.putAll(settings);
        main.setOverrideProperties(properties);
        main.setDefaultPropertyPlaceholderLocation("false");
        main.start();
    }

    private Exchange send(String endpoint, Object body, Map<String, Object> headers) throws Exception {
        return main.getCamelTemplate().request(endpoint, exchange -> {
            exchange.getMessage().setBody(body);
            headers.forEach(exchange.getMessage()::setHeader);
        });
    }

    @Test
    void calls_two_accounts_from_a_route() throws Exception {
        start(Map.of());
        stripe.answers(200, "{\"id\": \"cus_1\"}");
        stripeEu.answers(200, "{\"id\": \"cus_2\"}");

        var message = send("direct:create-customer", Map.of("name", "Ann"), Map.of("key", "bactrian:1")).getMessage();

        assertEquals(List.of("name=Ann"), stripe.request().form());
        assertEquals("Bearer sk_test_one", stripe.request().header("Authorization"));
        assertEquals("bactrian:1", stripe.request().header("Idempotency-Key"));
        assertEquals("POST /v1/customers/cus_1", stripeEu.request().method() + " " + stripeEu.request().path());
        assertEquals("Bearer sk_test_two", stripeEu.request().header("Authorization"));
        assertEquals("cus_2", message.getBody());
    }

    @Test
    void sees_what_went_wrong_in_a_route() throws Exception {
        start(Map.of());
        stripe.answers(429, "{\"error\": {\"code\": \"rate_limit\"}}", "Request-Id", "req_1", "Retry-After", "3");

        var message = send("direct:create-customer", Map.of("name", "Ann"), Map.of("key", "bactrian:1")).getMessage();

        assertEquals("429 rate_limit transient true req_1 3", message.getBody());
    }

    @Test
    void lets_only_genuine_webhooks_into_a_route() throws Exception {
        start(Map.of());
        var body = "{\"id\":\"evt_1\",\"object\":\"event\"}".getBytes(StandardCharsets.UTF_8);
        var signature = "t=1700000000,v1=fe79aee1a002fffa0e48e9e0419752a55f344c646cc7cba408ff68411d3d7a4e";

        assertEquals("evt_1", webhook(body, signature));
        assertEquals("evt_1", webhook(new ByteArrayInputStream(body), signature));
        assertEquals("400 no signature in the header Stripe-Signature matches the body", webhook("{}", signature));
        assertEquals("400 the header Stripe-Signature is missing", webhook(body, null));
        assertEquals("400 no signature in the header Stripe-Signature matches the body", webhook(null, signature));
    }

    @Test
    void lets_no_webhook_in_while_there_is_no_secret() throws Exception {
        start(Map.of("stripe.webhook-secret", ""));

        assertEquals("400 no webhook secret is configured, so no webhook is accepted", webhook("{}", "t=1,v1=ab"));
    }

    private Object webhook(Object body, String signature) throws Exception {
        return send("direct:webhook", body, signature == null ? Map.of() : Map.of("stripe-signature", signature)).getMessage().getBody();
    }
}
