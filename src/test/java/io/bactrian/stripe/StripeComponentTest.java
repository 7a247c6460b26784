package io.bactrian.stripe;

import static io.bactrian.stripe.StripeHeaders.IDEMPOTENCY_KEY;
import static io.bactrian.stripe.StripeHeaders.OBJECT_ID;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Map;
import org.apache.camel.CamelContext;
import org.apache.camel.ProducerTemplate;
import org.apache.camel.impl.DefaultCamelContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class StripeComponentTest {

    private RecordingServer stripe;
    private CamelContext context;
    private ProducerTemplate template;

    @BeforeEach
    void start() throws Exception {
        stripe = new RecordingServer();
        context = new DefaultCamelContext();
        context.start();
        var component = context.getComponent("stripe", StripeComponent.class);
        component.setApiKey("sk_test_one");
        component.setApiBase(stripe.address());
        template = context.createProducerTemplate();
    }

    @AfterEach
    void stop() {
        context.stop();
        stripe.close();
    }

    @Test
    void creates_an_object() {
        stripe.answers(200, "{\"id\": \"cus_1\", \"object\": \"customer\"}");

        var body = template.requestBodyAndHeader("stripe:customers", Map.of("name", "Ann"), IDEMPOTENCY_KEY, "bactrian:1", Map.class);

        assertEquals(Map.of("id", "cus_1", "object", "customer"), body);
        var request = stripe.request();
        assertEquals("POST", request.method());
        assertEquals("/v1/customers", request.path());
        assertEquals(List.of("name=Ann"), request.form());
        assertEquals("bactrian:1", request.header("Idempotency-Key"));
        assertEquals("Bearer sk_test_one", request.header("Authorization"));
    }

    @Test
    void delete() {
        template.requestBodyAndHeader("stripe:customers?method=delete", Map.of("name", "Ann"), OBJECT_ID, "cus_1");
        assertEquals("DELETE", stripe.request().method());
    }
}
