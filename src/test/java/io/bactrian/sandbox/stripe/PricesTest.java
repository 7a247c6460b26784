package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.stripe.StripeClient;
import com.stripe.param.PriceCreateParams;
import java.math.BigDecimal;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Prices over HTTP, and what amounts a currency has. */
class PricesTest {

    private StripeSimulator simulator;
    private Http http;
    private String product;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
        product = http.post("/v1/products", "name=Calls").id();
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void are_made_and_read_by_stripe_java() throws Exception {
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build().v1();
        var price = stripe.prices().create(PriceCreateParams.builder().setCurrency("usd").setProduct(product).setNickname("Pro").setLookupKey("pro")
                .setBillingScheme(PriceCreateParams.BillingScheme.TIERED).setTiersMode(PriceCreateParams.TiersMode.GRADUATED)
                .addTier(PriceCreateParams.Tier.builder().setUpTo(10L).setUnitAmount(100L).build())
                .addTier(PriceCreateParams.Tier.builder().setUpTo(PriceCreateParams.Tier.UpTo.INF).setUnitAmountDecimal(new BigDecimal("0.5")).setFlatAmount(20L).build())
                .setRecurring(PriceCreateParams.Recurring.builder().setInterval(PriceCreateParams.Recurring.Interval.MONTH).setIntervalCount(3L)
                        .setUsageType(PriceCreateParams.Recurring.UsageType.METERED).setMeter("mtr_1").build())
                .addExpand("tiers").build());
        assertEquals("tiered", price.getBillingScheme());
        assertEquals(null, price.getUnitAmount());
        assertEquals(null, price.getUnitAmountDecimal());
        assertEquals(10, price.getTiers().get(0).getUpTo());
        assertEquals(null, price.getTiers().get(1).getUpTo());
        assertEquals(new BigDecimal("0.5"), price.getTiers().get(1).getUnitAmountDecimal());
        assertEquals(null, price.getTiers().get(1).getUnitAmount());
        assertEquals("mtr_1", price.getRecurring().getMeter());
        assertEquals("Pro", price.getNickname());
    }

    @Test
    void show_tiers_and_currency_options_only_when_asked() throws Exception {
        var made = http.post("/v1/products", "name=Pro&default_price_data[currency]=eur&default_price_data[unit_amount]=1000&default_price_data[tax_behavior]=exclusive"
                + "&default_price_data[currency_options][isk][unit_amount]=150000").json();
        var path = "/v1/prices/" + made.get("default_price").asText();
        assertFalse(http.get(path).json().has("currency_options"));
        assertFalse(http.get("/v1/events?type=price.created").json().at("/data/0/data/object").has("currency_options"));
        var options = http.get(path + "?expand[]=currency_options").json().get("currency_options");
        assertEquals(150_000, options.at("/isk/unit_amount").asInt());
        assertEquals("exclusive", options.at("/eur/tax_behavior").asText());
        assertEquals(1000, http.get("/v1/products/" + made.get("id").asText() + "?expand[]=default_price.currency_options").json().at("/default_price/currency_options/eur/unit_amount").asInt());
        assertEquals(1200, http.post(path, "currency_options[usd][unit_amount]=1200&expand[]=currency_options").json().at("/currency_options/usd/unit_amount").asInt());
        assertTrue(http.get("/v1/prices?expand[]=data.tiers").json().at("/data/0/tiers").isNull());
    }

    @Test
    void give_a_lookup_key_away_only_when_it_is_transferred() throws Exception {
        var old = price("unit_amount=100&lookup_key=pro").get("id").asText();
        http.post("/v1/prices/" + old, "active=false");
        var refused = http.post("/v1/prices", "currency=usd&product=" + product + "&unit_amount=200&lookup_key=pro");
        assertEquals(400, refused.status());
        assertEquals("A price (`" + old + "`) already uses that lookup key.", refused.error().get("message").asText());
        assertEquals("lookup_key", refused.error().get("param").asText());
        var made = price("unit_amount=200&lookup_key=pro&transfer_lookup_key=true");
        assertEquals("pro", made.get("lookup_key").asText());
        assertFalse(made.has("transfer_lookup_key"));
        assertTrue(http.get("/v1/prices/" + old).json().get("lookup_key").isNull());
        var events = http.get("/v1/events?limit=2").json().get("data");
        assertEquals("price.created", events.at("/0/type").asText());
        assertEquals("price.updated", events.at("/1/type").asText());
        assertEquals("pro", events.at("/1/data/previous_attributes/lookup_key").asText());
        assertEquals(made.get("id"), http.get("/v1/prices?lookup_keys[]=pro").json().at("/data/0/id"));
        assertEquals(400, http.post("/v1/prices/" + old, "lookup_key=pro").status());
        assertEquals(200, http.post("/v1/prices/" + made.get("id").asText(), "lookup_key=pro").status());
    }

    @Test
    void may_let_the_customer_choose_or_cost_less_than_a_cent() throws Exception {
        var custom = price("custom_unit_amount[enabled]=true&custom_unit_amount[minimum]=500");
        assertEquals("{\"maximum\":null,\"minimum\":500,\"preset\":null}", custom.get("custom_unit_amount").toString());
        assertTrue(custom.get("unit_amount").isNull());
        assertTrue(custom.get("unit_amount_decimal").isNull());
        var tiny = price("unit_amount_decimal=0.89");
        assertTrue(tiny.get("unit_amount").isNull());
        assertEquals("0.89", tiny.get("unit_amount_decimal").asText());
    }

    @ParameterizedTest
    @CsvSource({
        "unit_amount=500&transform_quantity[divide_by]=10&transform_quantity[round]=up, 21, 1500",
        "unit_amount=500&transform_quantity[divide_by]=10&transform_quantity[round]=down, 29, 1000",
        "unit_amount_decimal=0.89, 1000, 890",
        "TIERS&tiers_mode=graduated, 5, 500",
        "TIERS&tiers_mode=graduated, 12, 1120",
        "TIERS&tiers_mode=volume, 12, 720",
        "TIERS&tiers_mode=volume, 10, 1000",
        "TIERS&tiers_mode=graduated, 0, 0",
    })
    void bill_packages_and_tiers(String form, String quantity, long amount) throws Exception {
        var price = price(form.replace("TIERS", "billing_scheme=tiered&tiers[0][up_to]=10&tiers[0][unit_amount]=100&tiers[1][up_to]=inf&tiers[1][unit_amount]=60"));
        var customer = http.post("/v1/customers", "name=Ada").id();
        var item = http.post("/v1/invoiceitems", "customer=" + customer + "&quantity=" + quantity + "&pricing[price]=" + price.get("id").asText()).json();
        assertEquals(amount, item.get("amount").asLong());
        assertEquals(price.get("unit_amount_decimal"), item.at("/pricing/unit_amount_decimal"));
    }

    @Test
    void keep_a_tax_behavior_once_it_is_said() throws Exception {
        var path = "/v1/prices/" + price("unit_amount=1").get("id").asText();
        assertEquals("exclusive", http.post(path, "tax_behavior=exclusive").json().get("tax_behavior").asText());
        assertEquals("tax_behavior", http.post(path, "tax_behavior=inclusive").error().get("param").asText());
    }

    @ParameterizedTest
    @CsvSource({
        "nickname=x, unit_amount",
        "unit_amount=1&custom_unit_amount[enabled]=true, unit_amount",
        "billing_scheme=tiered&tiers_mode=volume, tiers",
        "tiers[0][up_to]=inf&tiers[0][unit_amount]=1&unit_amount=1, tiers_mode",
        "billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=5&tiers[0][unit_amount]=1, tiers[0][up_to]",
        "billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=inf&tiers[0][unit_amount]=1&unit_amount=1, unit_amount",
        "custom_unit_amount[enabled]=false, custom_unit_amount",
        "unit_amount=1&recurring[interval]=month&recurring[meter]=mtr_1, recurring[meter]",
        "unit_amount=1&transform_quantity[divide_by]=2, transform_quantity[round]",
        "unit_amount=1&currency_options[xyz][unit_amount]=1, currency_options[xyz]",
    })
    void refuse_what_stripe_refuses(String form, String param) throws Exception {
        var reply = http.post("/v1/prices", "currency=usd&product=" + product + "&" + form);
        assertEquals(400, reply.status());
        assertEquals(param, reply.error().get("param").asText());
    }

    @ParameterizedTest
    @CsvSource({"isk, 2590050, 2590000", "ugx, 380001, 380000", "kwd, 5124, 5120", "bhd, 1, 0", "jod, 15, 20", "omr, 99, 100", "tnd, 1005, 1000"})
    void of_a_currency_are_what_it_can_be_charged_in(String currency, long wrong, long right) throws Exception {
        var customer = http.post("/v1/customers", "name=Ada").id();
        for (var call : List.of("prices?product=" + product + "&unit_amount=", "prices?product=" + product + "&unit_amount_decimal=", "invoiceitems?customer=" + customer + "&amount=",
                "invoiceitems?customer=" + customer + "&unit_amount_decimal=", "shipping_rates?display_name=Post&fixed_amount[currency]=" + currency + "&fixed_amount[amount]=",
                "coupons?amount_off=")) {
            var parts = call.split("\\?");
            var more = parts[0].equals("shipping_rates") ? "" : "&currency=" + currency;
            var refused = http.post("/v1/" + parts[0], parts[1] + wrong + more);
            assertEquals(400, refused.status(), call);
            assertTrue(refused.error().get("message").asText().startsWith("Invalid amount. Currency " + currency.toUpperCase()), refused.json().toString());
            assertTrue(right == 0 && parts[0].equals("coupons") || http.post("/v1/" + parts[0], parts[1] + right + more).status() == 200, call);
        }
    }

    @ParameterizedTest
    @CsvSource({"huf, 12345", "twd, 999", "jpy, 1", "krw, 7", "usd, 1"})
    void of_other_currencies_are_any(String currency, long amount) throws Exception {
        assertEquals(200, http.post("/v1/prices", "product=" + product + "&currency=" + currency + "&unit_amount=" + amount).status());
    }

    @Test
    void that_are_worked_out_are_rounded_to_what_the_currency_has() throws Exception {
        var customer = http.post("/v1/customers", "name=Ada").id();
        var rate = http.post("/v1/tax_rates", "display_name=VSK&inclusive=false&percentage=25.5").id();
        var invoice = http.post("/v1/invoices", "customer=" + customer + "&currency=isk&default_tax_rates[]=" + rate).id();
        http.post("/v1/invoiceitems", "customer=" + customer + "&currency=isk&unit_amount_decimal=99900&quantity_decimal=0.5&invoice=" + invoice);
        var shown = http.get("/v1/invoices/" + invoice).json();
        assertEquals(List.of(50_000L, 62_800L), Stream.of("subtotal", "total").map(field -> shown.get(field).asLong()).toList());
    }

    private JsonNode price(String form) throws Exception {
        var reply = http.post("/v1/prices", "currency=usd&product=" + product + "&" + form);
        assertEquals(200, reply.status(), reply.json().toString());
        return reply.json();
    }
}
