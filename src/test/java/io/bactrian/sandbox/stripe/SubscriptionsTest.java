package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.stripe.StripeClient;
import com.stripe.param.SubscriptionCreateParams;
import com.stripe.param.SubscriptionUpdateParams;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Subscriptions and their invoices over HTTP. */
class SubscriptionsTest {

    private StripeSimulator simulator;
    private Http http;
    private String customer;
    private String product;
    private String price;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
        customer = http.post("/v1/customers", "name=Ada").id();
        product = http.post("/v1/products", "name=Pro").id();
        price = price("unit_amount=1000&recurring[interval]=month");
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void are_made_changed_and_cancelled_by_stripe_java() throws Exception {
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build().v1();
        var made = stripe.subscriptions().create(SubscriptionCreateParams.builder().setCustomer(customer)
                .addItem(SubscriptionCreateParams.Item.builder().setPrice(price).setQuantity(2L).build()).build());
        assertEquals("active", made.getStatus());
        var item = made.getItems().getData().get(0);
        assertEquals(2, item.getQuantity());
        assertEquals("month", item.getPrice().getRecurring().getInterval());
        assertTrue(item.getCurrentPeriodEnd() - item.getCurrentPeriodStart() >= 28 * 86_400);
        var invoice = stripe.invoices().retrieve(made.getLatestInvoice());
        assertEquals("paid", invoice.getStatus());
        assertEquals("subscription_create", invoice.getBillingReason());
        assertEquals(made.getId(), invoice.getParent().getSubscriptionDetails().getSubscription());
        var line = invoice.getLines().getData().get(0);
        assertTrue(line.getId().startsWith("il_"));
        assertEquals("subscription_item_details", line.getParent().getType());
        assertEquals(null, line.getParent().getInvoiceItemDetails());
        assertEquals(null, line.getParent().getSubscriptionItemDetails().getInvoiceItem());
        assertEquals(item.getId(), line.getParent().getSubscriptionItemDetails().getSubscriptionItem());
        assertEquals("2 × Pro", line.getDescription());
        assertEquals(2000, line.getAmount());
        assertEquals(price, line.getPricing().getPriceDetails().getPrice());
        assertEquals(0, http.get("/v1/invoiceitems").json().get("data").size());
        stripe.subscriptions().update(made.getId(), SubscriptionUpdateParams.builder().addItem(SubscriptionUpdateParams.Item.builder().setId(item.getId()).setQuantity(5L).build()).build());
        assertEquals("canceled", stripe.subscriptions().cancel(made.getId()).getStatus());
        assertEquals("canceled", stripe.subscriptions().retrieve(made.getId()).getStatus());
        assertEquals("customer.subscription.deleted", types(1).get(0));
    }

    @Test
    void bill_each_period_and_what_a_change_left_pending() throws Exception {
        var id = subscribe(1);
        var period = http.get("/v1/subscriptions/" + id).json().at("/items/data/0/current_period_end").asLong();
        simulator.dashboard().changeQuantity(id, 3);
        var pending = http.get("/v1/invoiceitems?pending=true&customer=" + customer).json().get("data");
        assertEquals(List.of("3000", "-1000"), pending.findValuesAsText("amount"));
        assertEquals(List.of("true", "true"), pending.findValuesAsText("proration"));
        assertEquals("subscription_details", pending.at("/0/parent/type").asText());
        var advanced = http.json("/simulator/dashboard/subscriptions/" + id + "/advance", Json.MAPPER.createObjectNode()).json();
        assertEquals(period, advanced.at("/items/data/0/current_period_start").asLong());
        var invoice = simulator.dashboard().invoice(advanced.get("latest_invoice").asText());
        assertEquals("subscription_cycle", invoice.get("billing_reason").asText());
        assertEquals(3000 + 3000 - 1000, invoice.get("total").asInt());
        assertEquals("paid", invoice.get("status").asText());
        var proration = invoice.at("/lines/data/2/parent/subscription_item_details");
        assertTrue(proration.get("proration").asBoolean());
        assertTrue(proration.get("invoice_item").asText().startsWith("ii_"));
        assertTrue(invoice.at("/lines/data/2/description").asText().startsWith("Unused time on 1 × Pro after "));
        assertEquals(period, invoice.at("/lines/data/0/period/start").asLong());
        assertEquals(0, http.get("/v1/invoiceitems?pending=true").json().get("data").size());
        assertEquals(3000, simulator.dashboard().invoice(simulator.dashboard().advanceSubscription(id).get("latest_invoice").asText()).get("total").asInt());
    }

    @Test
    void bill_a_change_at_once_or_not_at_all_when_asked() throws Exception {
        var id = subscribe(1);
        var path = "/v1/subscriptions/" + id;
        var item = http.get(path).json().at("/items/data/0/id").asText();
        var changed = http.post(path, "items[0][id]=" + item + "&items[0][quantity]=2&proration_behavior=always_invoice").json();
        var invoice = http.get("/v1/invoices/" + changed.get("latest_invoice").asText()).json();
        assertEquals("subscription_update", invoice.get("billing_reason").asText());
        assertEquals(1000, invoice.get("total").asInt());
        assertEquals(2, invoice.at("/lines/data").size());
        http.post(path, "items[0][id]=" + item + "&items[0][quantity]=9&proration_behavior=none");
        assertEquals(0, http.get("/v1/invoiceitems?pending=true").json().get("data").size());
    }

    @Test
    void of_a_deleted_customer_end_and_do_not_come_back() throws Exception {
        var id = subscribe(1);
        http.delete("/v1/customers/" + customer);
        assertEquals(List.of("customer.deleted", "customer.subscription.deleted"), types(2));
        var ended = http.get("/v1/subscriptions/" + id).json();
        assertEquals("canceled", ended.get("status").asText());
        assertTrue(ended.get("ended_at").isNumber());
        assertEquals("A canceled subscription can only update its cancellation_details and metadata.", http.post("/v1/subscriptions/" + id, "cancel_at_period_end=false").error().get("message").asText());
        assertEquals(404, http.delete("/v1/subscriptions/" + id).status());
        assertEquals(400, http.json("/simulator/dashboard/subscriptions/" + id + "/advance", Json.MAPPER.createObjectNode()).status());
        assertEquals(400, http.post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + price).status());
        assertEquals(200, http.post("/v1/subscriptions/" + id, "metadata[a]=1").status());
    }

    @Test
    void end_with_their_period_when_asked() throws Exception {
        var id = subscribe(1);
        assertFalse(http.post("/v1/subscriptions/" + id, "cancel_at_period_end=true").json().get("cancel_at").isNull());
        assertEquals("active", http.get("/v1/subscriptions/" + id).json().get("status").asText());
        assertEquals("canceled", simulator.dashboard().advanceSubscription(id).get("status").asText());
        assertEquals(1, http.get("/v1/invoices").json().get("data").size());
    }

    @Test
    void have_tax_and_discounts_and_invoices_that_are_sent() throws Exception {
        var made = simulator.dashboard().createSubscription(Map.of("customer", customer, "price", price, "quantity", 2, "days_until_due", 14,
                "tax_rate", Map.of("percentage", "25"), "discount", Map.of("percent_off", "50")));
        var first = simulator.dashboard().invoice(made.get("latest_invoice").asText());
        assertEquals("open", first.get("status").asText());
        assertEquals(1250, first.get("total").asInt());
        assertTrue(first.get("due_date").isNumber());
        var second = simulator.dashboard().invoice(simulator.dashboard().advanceSubscription(made.get("id").asText()).get("latest_invoice").asText());
        assertEquals(2500, second.get("total").asInt());
    }

    @Test
    void bill_tiers_packages_and_meters() throws Exception {
        var tiers = price("billing_scheme=tiered&tiers_mode=graduated&tiers[0][up_to]=10&tiers[0][unit_amount]=100&tiers[1][up_to]=inf&tiers[1][unit_amount]=60&recurring[interval]=month");
        var packs = price("unit_amount=500&transform_quantity[divide_by]=10&transform_quantity[round]=up&recurring[interval]=month");
        var meter = price("unit_amount_decimal=0.89&recurring[interval]=month&recurring[usage_type]=metered");
        var id = http.post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + tiers + "&items[0][quantity]=12&items[1][price]=" + packs + "&items[1][quantity]=21&items[2][price]="
                + meter).json().get("latest_invoice").asText();
        assertEquals(List.of("1120", "1500", "0"), http.get("/v1/invoices/" + id).json().at("/lines/data").findValuesAsText("amount"));
        assertTrue(http.get("/v1/invoices/" + id).json().at("/lines/data/0/pricing/unit_amount_decimal").isNull());
    }

    @ParameterizedTest
    @CsvSource({
        "unit_amount=1, items[0][price], The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
        "unit_amount=1&active=false&recurring[interval]=month, items[0][price], The price specified is inactive. This field only accepts active prices.",
    })
    void refuse_a_price_that_does_not_recur_or_is_archived(String form, String param, String message) throws Exception {
        var reply = http.post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + price(form));
        assertEquals(400, reply.status());
        assertEquals(param, reply.error().get("param").asText());
        assertEquals(message, reply.error().get("message").asText());
        assertEquals(0, http.get("/v1/invoices").json().get("data").size());
    }

    @Test
    void refuse_prices_that_differ_in_interval_or_currency() throws Exception {
        var yearly = price("unit_amount=1&recurring[interval]=year");
        assertEquals("items[1][price]", http.post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + price + "&items[1][price]=" + yearly).error().get("param").asText());
        assertEquals("days_until_due", http.post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + price + "&collection_method=send_invoice").error().get("param").asText());
    }

    private String subscribe(int quantity) throws Exception {
        return http.post("/v1/subscriptions", "customer=" + customer + "&items[0][price]=" + price + "&items[0][quantity]=" + quantity).id();
    }

    private String price(String form) throws Exception {
        return http.post("/v1/prices", "currency=usd&product=" + product + "&" + form).id();
    }

    /** The types of the newest events, the newest first. */
    private List<String> types(int count) throws Exception {
        var types = new ArrayList<String>();
        for (JsonNode event : http.get("/v1/events?limit=" + count).json().get("data")) {
            types.add(event.get("type").asText());
        }
        return types;
    }
}
