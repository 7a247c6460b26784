package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.stripe.StripeClient;
import com.stripe.param.ProductCreateParams;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products and their prices over HTTP. */
class ProductsTest {

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
    void are_created_with_their_price_in_one_call_by_stripe_java() throws Exception {
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build().v1();
        var product = stripe.products().create(ProductCreateParams.builder().setName("Tea").addExpand("default_price")
                .setDefaultPriceData(ProductCreateParams.DefaultPriceData.builder().setCurrency("jpy").setUnitAmount(490L).putMetadata("a", "1").build()).build());
        var price = product.getDefaultPriceObject();
        assertEquals(490, price.getUnitAmount());
        assertEquals("jpy", price.getCurrency());
        assertEquals("1", price.getMetadata().get("a"));
        assertEquals(product.getId(), price.getProduct());
        assertTrue(price.getActive());
        assertEquals(List.of("price.created", "product.created"), events());
    }

    @Test
    void show_their_default_price_when_asked() throws Exception {
        var product = http.post("/v1/products", "name=Tea&default_price_data[currency]=nok&default_price_data[unit_amount_decimal]=12.5&expand[]=default_price").json();
        assertEquals("12.5", product.at("/default_price/unit_amount_decimal").asText());
        assertTrue(product.at("/default_price/unit_amount").isNull());
        var path = "/v1/products/" + product.get("id").asText();
        assertTrue(http.get(path).json().get("default_price").isTextual());
        assertEquals("nok", http.get(path + "?expand[]=default_price").json().at("/default_price/currency").asText());
        assertEquals("nok", http.post(path, "name=Mate&expand[]=default_price").json().at("/default_price/currency").asText());
        http.post("/v1/products", "name=Air");
        var listed = http.get("/v1/products?expand[]=data.default_price").json().get("data");
        assertTrue(listed.get(0).get("default_price").isNull());
        assertEquals("nok", listed.get(1).at("/default_price/currency").asText());
    }

    @Test
    void change_their_default_price_before_the_old_one_is_archived() throws Exception {
        var product = priced("Tea");
        var path = "/v1/products/" + product.get("id").asText();
        var old = product.get("default_price").asText();
        var price = http.post("/v1/prices", "currency=nok&unit_amount=5900&product=" + product.get("id").asText()).id();
        var refused = http.post("/v1/prices/" + old, "active=false");
        assertEquals(400, refused.status());
        assertEquals("This price cannot be archived because it is the default price of its product.", refused.error().get("message").asText());
        assertEquals(price, http.post(path, "default_price=" + price).json().get("default_price").asText());
        assertEquals(old, http.get("/v1/events?type=product.updated").json().at("/data/0/data/previous_attributes/default_price").asText());
        assertFalse(http.post("/v1/prices/" + old, "active=false").json().get("active").asBoolean());
        assertTrue(http.post(path, "default_price=").json().get("default_price").isNull());
        assertEquals(200, http.post("/v1/prices/" + price, "active=false").status());
        assertEquals(400, http.delete(path).status());
    }

    @Test
    void take_only_an_active_price_of_their_own() throws Exception {
        var path = "/v1/products/" + priced("Tea").get("id").asText();
        assertEquals(400, http.post(path, "default_price=" + priced("Milk").get("default_price").asText()).status());
        assertEquals("resource_missing", http.post(path, "default_price=price_no").error().get("code").asText());
        var price = http.post("/v1/prices", "currency=nok&unit_amount=1&active=false&product=" + path.substring(13)).id();
        assertEquals(400, http.post(path, "default_price=" + price).status());
    }

    @ParameterizedTest
    @CsvSource({
        "default_price_data[unit_amount]=1, default_price_data[currency]",
        "default_price_data[currency]=nok, unit_amount",
        "default_price_data[currency]=nok&default_price_data[unit_amount]=1&default_price_data[unit_amount_decimal]=1, unit_amount",
        "default_price_data[currency]=nok&default_price_data[unit_amount]=-1, default_price_data[unit_amount]",
        "default_price_data[currency]=nok&default_price_data[unit_amount]=100000000, default_price_data[unit_amount]",
        "default_price_data[currency]=nok&default_price_data[unit_amount_decimal]=0.0000000000001, default_price_data[unit_amount_decimal]",
        "default_price_data[currency]=nok&default_price_data[unit_amount_decimal]=1e9, default_price_data[unit_amount_decimal]",
        "default_price=price_1, default_price",
    })
    void refuse_a_price_that_stripe_refuses(String form, String param) throws Exception {
        var reply = http.post("/v1/products", "name=Tea&" + form);
        assertEquals(400, reply.status());
        assertEquals(param, reply.error().get("param").asText());
        assertEquals(0, http.get("/v1/products").json().get("data").size());
    }

    private JsonNode priced(String name) throws Exception {
        return http.post("/v1/products", "name=" + name + "&default_price_data[currency]=nok&default_price_data[unit_amount]=4900").json();
    }

    private List<String> events() throws Exception {
        var types = new ArrayList<String>();
        http.get("/v1/events?limit=100").json().get("data").forEach(event -> types.add(event.get("type").asText()));
        Collections.reverse(types);
        return types;
    }
}
