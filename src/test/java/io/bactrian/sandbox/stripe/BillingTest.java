package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import com.stripe.StripeClient;
import com.stripe.param.InvoiceCreateParams;
import com.stripe.param.InvoiceItemCreateParams;
import com.stripe.param.TaxRateCreateParams;
import java.math.BigDecimal;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Taxes, discounts and shipping of invoices over HTTP. */
class BillingTest {

    private StripeSimulator simulator;
    private Http http;
    private String customer;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
        customer = http.post("/v1/customers", "name=Ada").id();
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void are_made_and_read_by_stripe_java() throws Exception {
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build().v1();
        var vat = stripe.taxRates().create(TaxRateCreateParams.builder().setDisplayName("VAT").setInclusive(false).setPercentage(new BigDecimal("25")).build());
        var coupon = coupon("percent_off=10");
        var draft = stripe.invoices().create(InvoiceCreateParams.builder().setCustomer(customer).setCurrency("eur").addDefaultTaxRate(vat.getId())
                .addDiscount(InvoiceCreateParams.Discount.builder().setCoupon(coupon).build())
                .setShippingCost(InvoiceCreateParams.ShippingCost.builder().setShippingRateData(InvoiceCreateParams.ShippingCost.ShippingRateData.builder()
                        .setDisplayName("Post").setType(InvoiceCreateParams.ShippingCost.ShippingRateData.Type.FIXED_AMOUNT)
                        .setFixedAmount(InvoiceCreateParams.ShippingCost.ShippingRateData.FixedAmount.builder().setAmount(500L).setCurrency("eur").build()).build()).build())
                .build());
        stripe.invoiceItems().create(InvoiceItemCreateParams.builder().setCustomer(customer).setInvoice(draft.getId()).setCurrency("eur")
                .setUnitAmountDecimal(new BigDecimal("1000")).setQuantityDecimal(new BigDecimal("2.5")).build());
        var open = stripe.invoices().finalizeInvoice(draft.getId());
        assertEquals(2500, open.getSubtotal());
        assertEquals(2250 + 563 + 500, open.getTotal());
        assertEquals(2250 + 500, open.getTotalExcludingTax());
        assertEquals(open.getTotal(), open.getAmountDue());
        assertEquals(500, open.getShippingCost().getAmountTotal());
        assertEquals(new BigDecimal("25"), open.getDefaultTaxRates().get(0).getPercentage());
        assertEquals(250, open.getTotalDiscountAmounts().get(0).getAmount());
        var line = open.getLines().getData().get(0);
        assertEquals(2500, line.getAmount());
        assertEquals(2500, line.getSubtotal());
        assertEquals(563, line.getTaxes().get(0).getAmount());
        assertEquals(2250, line.getTaxes().get(0).getTaxableAmount());
        assertEquals(vat.getId(), line.getTaxes().get(0).getTaxRateDetails().getTaxRate());
        assertEquals(open.getDiscounts(), List.of(line.getDiscountAmounts().get(0).getDiscount()));
        var paid = stripe.invoices().pay(open.getId());
        assertEquals(open.getTotal(), paid.getAmountPaid());
        assertEquals(0, paid.getAmountRemaining());
    }

    /** The first two rows are those of support.stripe.com/questions/rounding-rules-for-stripe-fees, the third of …/inclusive-and-exclusive-tax-options-…. */
    @ParameterizedTest
    @CsvSource({
        "43+484,      15 false,           527, 527, 606, 527, 6+73",
        "4225,        10 true,            4225, 3841, 4225, 3841, 384",
        "60000,       10 true,            60000, 54545, 60000, 54545, 5455",
        "60000,       10 false,           60000, 60000, 66000, 60000, 6000",
        "1000,        10 false+5 false,   1000, 1000, 1150, 1000, 100+50",
        "1150,        10 true+5 true,     1150, 1000, 1150, 1000, 100+50",
        "1100,        10 true+5 false,    1100, 1000, 1150, 1000, 100+50",
        "1000+-200,   25 false,           800, 800, 1000, 800, 250+-50",
        "10,          5 false,            10, 10, 11, 10, 1",
        "-10,         5 false,            -10, -10, -11, -10, -1",
        "100,         0 false,            100, 100, 100, 100, 0",
        "10000,       7.7 false,          10000, 10000, 10770, 10000, 770",
    })
    void add_or_include_taxes_line_by_line(String amounts, String rates, long subtotal, long subtotalNet, long total, long totalNet, String taxes) throws Exception {
        var all = new StringBuilder();
        for (var rate : rates.split("\\+")) {
            all.append("&default_tax_rates[]=").append(taxRate(rate.split(" ")[0], rate.split(" ")[1]));
        }
        var id = invoice(all.toString());
        for (var amount : amounts.split("\\+")) {
            item("currency=usd&amount=" + amount + "&invoice=" + id);
        }
        var invoice = invoiceOf(id);
        assertEquals(List.of(subtotal, subtotalNet, total, totalNet), figures(invoice, "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax"));
        assertEquals(taxes, String.join("+", invoice.at("/lines/data").findValues("taxes").stream().flatMap(list -> list.findValuesAsText("amount").stream()).toList()));
        var sum = 0L;
        for (var tax : invoice.get("total_taxes")) {
            sum += tax.get("amount").asLong();
        }
        assertEquals(List.of(taxes.split("\\+")).stream().mapToLong(Long::parseLong).sum(), sum);
        assertEquals(rates.split("\\+").length, invoice.get("total_taxes").size());
        assertEquals(Math.max(0, total), invoice.get("amount_due").asLong());
    }

    @ParameterizedTest
    @CsvSource({
        // Items with their own coupon, coupons of the invoice: subtotal, total, the discounts in their order.
        "1000,                  percent_off=10,                         1000, 900, 100",
        "1000+2000,             percent_off=12.5,                       3000, 2625, 375",
        "1000/percent_off=50,   percent_off=10,                         500, 450, 500+50",
        "1000/amount_off=300,   amount_off=200,                         700, 500, 300+200",
        "100+100+100,           amount_off=100,                         300, 200, 100",
        "500,                   amount_off=900,                         500, 0, 500",
        "1000+-400,             percent_off=10,                         600, 500, 100",
        "1000+-400,             amount_off=1000,                        600, -400, 1000",
        "1000,                  percent_off=10 percent_off=10,          1000, 810, 100+90",
        "333,                   percent_off=50,                         333, 166, 167",
    })
    void take_discounts_off(String items, String coupons, long subtotal, long total, String discounts) throws Exception {
        var all = new StringBuilder();
        for (var coupon : coupons.split(" ")) {
            all.append("&discounts[").append(all.length()).append("][coupon]=").append(coupon(coupon));
        }
        var id = invoice(all.toString());
        for (var item : items.split("\\+")) {
            var parts = item.split("/");
            item("currency=usd&amount=" + parts[0] + "&invoice=" + id + (parts.length > 1 ? "&discounts[0][coupon]=" + coupon(parts[1]) : ""));
        }
        var invoice = invoiceOf(id);
        assertEquals(List.of(subtotal, total, Math.max(0, total)), figures(invoice, "subtotal", "total", "amount_due"));
        assertEquals(discounts, String.join("+", invoice.get("total_discount_amounts").findValuesAsText("amount")));
    }

    @Test
    void spread_an_amount_off_over_the_lines_to_the_last_cent() throws Exception {
        var id = invoice("&discounts[0][coupon]=" + coupon("amount_off=100"));
        for (var amount : List.of(333, 333, 334)) {
            item("currency=usd&amount=" + amount + "&invoice=" + id);
        }
        assertEquals(List.of("33", "34", "33"), invoiceOf(id).at("/lines/data").findValues("discount_amounts").stream().map(list -> list.at("/0/amount").asText()).toList());
    }

    @Test
    void tax_what_discounts_leave_and_prefer_the_rates_of_the_item() throws Exception {
        var id = invoice("&default_tax_rates[]=" + taxRate("25", "false") + "&discounts[0][coupon]=" + coupon("percent_off=10"));
        item("currency=usd&amount=1000&invoice=" + id);
        var own = taxRate("10", "true");
        var item = item("currency=usd&amount=1100&invoice=" + id + "&tax_rates[]=" + own);
        assertEquals(own, item.at("/tax_rates/0/id").asText());
        var invoice = invoiceOf(id);
        assertEquals(List.of(2100L, 2000L, 900L + 225 + 990), figures(invoice, "subtotal", "subtotal_excluding_tax", "total"));
        assertEquals("[225,90]", amounts(invoice, "taxes"));
        http.post("/v1/invoiceitems/" + item.get("id").asText(), "tax_rates=");
        assertEquals("[225,248]", amounts(invoiceOf(id), "taxes"));
        http.post("/v1/invoices/" + id, "default_tax_rates=&discounts=");
        assertEquals(List.of(2100L, 2100L, 2100L), figures(invoiceOf(id), "subtotal", "subtotal_excluding_tax", "total"));
    }

    @Test
    void ship() throws Exception {
        var id = invoice("&shipping_cost[shipping_rate_data][display_name]=Post&shipping_cost[shipping_rate_data][fixed_amount][amount]=700&shipping_cost[shipping_rate_data][fixed_amount][currency]=usd");
        item("currency=usd&amount=1000&invoice=" + id);
        var invoice = invoiceOf(id);
        assertEquals(List.of(1000L, 1700L, 700L), figures(invoice, "subtotal", "total", "amount_shipping"));
        assertEquals("Post", http.get("/v1/shipping_rates/" + invoice.at("/shipping_cost/shipping_rate").asText()).json().get("display_name").asText());
        assertEquals(1000, http.post("/v1/invoices/" + id, "shipping_cost=").json().get("total").asLong());
        var rate = http.post("/v1/shipping_rates", "display_name=Post&type=fixed_amount&fixed_amount[amount]=1&fixed_amount[currency]=eur").id();
        assertEquals(400, http.post("/v1/invoices/" + id, "shipping_cost[shipping_rate]=" + rate).status());
    }

    @Test
    void are_fixed_when_the_invoice_is_finalized() throws Exception {
        var coupon = coupon("percent_off=10");
        var id = invoice("&discounts[0][coupon]=" + coupon);
        item("currency=usd&amount=1000&invoice=" + id);
        http.delete("/v1/coupons/" + coupon);
        assertEquals(900, http.post("/v1/invoices/" + id + "/finalize", "").json().get("total").asLong());
        assertEquals(400, http.post("/v1/invoices/" + id, "discounts=").status());
        var shown = http.get("/v1/invoices/" + id + "?expand[]=discounts").json();
        assertEquals(coupon, shown.at("/discounts/0/source/coupon").asText());
        assertFalse(shown.at("/discounts/0").has("worth"));
    }

    @Test
    void pay_an_invoice_that_a_credit_makes_negative_at_once() throws Exception {
        var id = invoice("");
        item("currency=usd&amount=1000&invoice=" + id);
        assertFalse(item("currency=usd&amount=-1500&invoice=" + id).get("discountable").asBoolean());
        var paid = http.post("/v1/invoices/" + id + "/finalize", "").json();
        assertEquals("paid", paid.get("status").asText());
        assertEquals(List.of(-500L, 0L, 0L, 0L), figures(paid, "total", "amount_due", "amount_paid", "amount_remaining"));
    }

    @Test
    void redeem_coupons_as_often_as_they_allow() throws Exception {
        var coupon = coupon("percent_off=10&max_redemptions=1");
        invoice("&discounts[0][coupon]=" + coupon);
        var used = http.get("/v1/coupons/" + coupon).json();
        assertEquals(1, used.get("times_redeemed").asInt());
        assertFalse(used.get("valid").asBoolean());
        var refused = http.post("/v1/invoices", "customer=" + customer + "&currency=usd&discounts[0][coupon]=" + coupon);
        assertEquals("coupon_expired", refused.error().get("code").asText());
    }

    @ParameterizedTest
    @CsvSource({
        "default_tax_rates[]=txr_no, default_tax_rates",
        "default_tax_rates[]=OLD, default_tax_rates",
        "discounts[0][coupon]=NONE, discounts[coupon]",
        "discounts[0][coupon]=EURO, discounts[coupon]",
        "discounts[0][percent_off]=3, discounts[0][percent_off]",
        "shipping_cost[shipping_rate]=shr_no, shipping_cost[shipping_rate]",
    })
    void are_refused_as_stripe_refuses_them(String form, String param) throws Exception {
        var old = taxRate("3", "false");
        http.post("/v1/tax_rates/" + old, "active=false");
        http.post("/v1/coupons", "id=EURO&amount_off=100&currency=eur");
        var reply = http.post("/v1/invoices", "customer=" + customer + "&currency=usd&" + form.replace("OLD", old));
        assertEquals(400, reply.status());
        assertEquals(param, reply.error().get("param").asText());
    }

    @Test
    void keep_a_tax_rates_percentage() throws Exception {
        var rate = taxRate("3", "false");
        assertEquals("parameter_unknown", http.post("/v1/tax_rates/" + rate, "percentage=4").error().get("code").asText());
        assertEquals("GST", http.post("/v1/tax_rates/" + rate, "display_name=GST").json().get("display_name").asText());
        assertEquals(400, http.post("/v1/tax_rates", "display_name=VAT&inclusive=false&percentage=3.12345").status());
        assertEquals(List.of("tax_rate.updated", "tax_rate.created"), http.get("/v1/events?limit=2").json().get("data").findValuesAsText("type"));
    }

    private String taxRate(String percentage, String inclusive) throws Exception {
        return http.post("/v1/tax_rates", "display_name=VAT&percentage=" + percentage + "&inclusive=" + inclusive).id();
    }

    private String coupon(String form) throws Exception {
        return http.post("/v1/coupons", form + (form.startsWith("amount") ? "&currency=usd" : "")).id();
    }

    private String invoice(String more) throws Exception {
        var reply = http.post("/v1/invoices", "customer=" + customer + "&currency=usd" + more);
        assertEquals(200, reply.status(), reply.json().toString());
        return reply.id();
    }

    private JsonNode item(String form) throws Exception {
        var reply = http.post("/v1/invoiceitems", "customer=" + customer + "&" + form);
        assertEquals(200, reply.status(), reply.json().toString());
        return reply.json();
    }

    private JsonNode invoiceOf(String id) throws Exception {
        return http.get("/v1/invoices/" + id).json();
    }

    private static List<Long> figures(JsonNode invoice, String... names) {
        return List.of(names).stream().map(name -> invoice.get(name).asLong()).toList();
    }

    /** The first amount of a list in each line. */
    private static String amounts(JsonNode invoice, String list) {
        return invoice.at("/lines/data").findValues(list).stream().map(amounts -> amounts.at("/0/amount").asText()).collect(Collectors.joining(",", "[", "]"));
    }
}
