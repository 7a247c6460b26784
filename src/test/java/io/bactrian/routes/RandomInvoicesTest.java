package io.bactrian.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Invoices with any taxes, discounts, shipping, decimal quantities and credits, in currencies of two, no and three decimals, made on both sides
 * and finalized, are worth the same on both, line by line.
 */
class RandomInvoicesTest {

    private static final int INVOICES = 40;

    /** Currencies, and what their amounts are multiples of. */
    private static final Map<String, Integer> STEPS = new TreeMap<>(Map.of("eur", 1, "jpy", 1, "kwd", 10));

    @Test
    void a_finalized_invoice_is_worth_the_same_on_both_sides_whatever_is_on_it() throws Exception {
        long seed = Long.getLong("seed", System.nanoTime() % 1_000_000);
        var random = new Random(seed);
        try (var scene = new StripeScene()) {
            scene.begin();
            var buyer = scene.text("insert into customers (name) values ('Ada') returning id");
            var there = scene.linked("customers", buyer);
            var rates = new ArrayList<String>();
            for (var rate : List.of("percentage=19&inclusive=false", "percentage=7.7&inclusive=true", "percentage=25&inclusive=false")) {
                rates.add(call(scene, "/v1/tax_rates", "display_name=Tax&" + rate).get("id").asText());
            }
            call(scene, "/v1/coupons", "id=tenth&percent_off=10&duration=once");
            call(scene, "/v1/coupons", "id=third&percent_off=33.3&duration=once");
            var ours = new ArrayList<String>();
            for (int i = 0; i < INVOICES; i++) {
                var currency = List.copyOf(STEPS.keySet()).get(random.nextInt(STEPS.size()));
                if (random.nextBoolean()) {
                    ours.add(insert(scene, random, buyer, currency));
                } else {
                    var invoice = call(scene, "/v1/invoices", "customer=" + there + "&currency=" + currency + "&collection_method=send_invoice&days_until_due=30");
                    for (int line = random.nextInt(4); line >= 0; line--) {
                        call(scene, "/v1/invoiceitems", "customer=" + there + "&invoice=" + invoice.get("id").asText() + "&currency=" + currency + "&description=line " + line + quantity(random) + "&unit_amount_decimal=" + price(random, currency));
                    }
                    call(scene, "/v1/invoices/" + invoice.get("id").asText(), extras(random, rates, currency));
                    call(scene, "/v1/invoices/" + invoice.get("id").asText() + "/finalize", "");
                }
            }
            scene.awaitNothing();
            // Taxes and discounts of those that were made here are set there, before they are opened here.
            for (var id : ours) {
                var currency = scene.text("select lower(currency) from invoices where id = " + id);
                call(scene, "/v1/invoices/" + scene.linked("invoices", id), extras(random, rates, currency));
            }
            scene.awaitNothing();
            for (var id : ours) {
                scene.run("update invoices set status = 'open' where id = " + id);
            }
            scene.awaitNothing();
            assertEquals(List.of(), scene.texts("select to_json(f) from sync.failure f"), "seed " + seed);
            var here = new TreeMap<String, String>();
            scene.texts("select l.external_id || ' ' || concat_ws(' ', i.status, i.subtotal, i.discount, i.tax, i.shipping, i.total, i.amount_due, i.amount_paid,"
                    + " (select string_agg(t.amount::text, ',' order by t.amount) from invoice_items t where t.invoice_id = i.id))"
                    + " from invoices i join sync.link l on l.entity = 'invoices' and l.record_id = i.id::text").forEach(text -> here.put(text.split(" ")[0], text.split(" ", 2)[1]));
            var stripes = new TreeMap<String, String>();
            scene.dashboard().invoices().forEach(invoice -> stripes.put(invoice.get("id").asText(), figures(invoice)));
            assertEquals(INVOICES, stripes.size(), "seed " + seed);
            assertEquals(stripes, here, "seed " + seed);
        }
    }

    private static String insert(StripeScene scene, Random random, String buyer, String currency) throws Exception {
        var id = scene.text("insert into invoices (customer_id, currency) values (" + buyer + ", '" + currency.toUpperCase() + "') returning id");
        for (int line = random.nextInt(4); line >= 0; line--) {
            scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'line " + line + "', "
                    + quantity(random).replaceAll(".*=", "") + ", " + price(random, currency) + ")");
        }
        return id;
    }

    private static String quantity(Random random) {
        return random.nextInt(3) == 0 ? "&quantity_decimal=" + (1 + random.nextInt(5)) + ".5" : "&quantity=" + (1 + random.nextInt(9));
    }

    /** A third of them are credits. With a quantity of halves it is even, or the amount would be no multiple of what the currency has. */
    private static long price(Random random, String currency) {
        return (random.nextInt(3) == 0 ? -1 : 1) * 2L * STEPS.get(currency) * (1 + random.nextInt(500));
    }

    private static String extras(Random random, List<String> rates, String currency) {
        var extras = new LinkedHashMap<String, String>();
        extras.put("description", "memo " + random.nextInt(1000));
        if (random.nextBoolean()) {
            extras.put("default_tax_rates[0]", rates.get(random.nextInt(rates.size())));
        }
        switch (random.nextInt(3)) {
            case 0 -> extras.put("discounts[0][coupon]", "tenth");
            case 1 -> extras.put("discounts[0][coupon]", "third");
            default -> { }
        }
        if (random.nextInt(4) == 0) {
            extras.put("shipping_cost[shipping_rate_data][display_name]", "Parcel");
            extras.put("shipping_cost[shipping_rate_data][type]", "fixed_amount");
            extras.put("shipping_cost[shipping_rate_data][fixed_amount][amount]", "700");
            extras.put("shipping_cost[shipping_rate_data][fixed_amount][currency]", currency);
        }
        return extras.entrySet().stream().map(extra -> extra.getKey() + "=" + extra.getValue()).collect(Collectors.joining("&"));
    }

    private static String figures(JsonNode invoice) {
        var amounts = new ArrayList<Long>();
        invoice.at("/lines/data").forEach(line -> amounts.add(line.get("amount").asLong()));
        return String.join(" ", invoice.get("status").asText(), invoice.get("subtotal").asText(), sum(invoice.get("total_discount_amounts")), sum(invoice.get("total_taxes")),
                invoice.at("/shipping_cost/amount_total").asText("0").replace("null", "0"), invoice.get("total").asText(), invoice.get("amount_due").asText(),
                invoice.get("amount_paid").asText(), amounts.stream().sorted().map(String::valueOf).collect(Collectors.joining(",")));
    }

    private static String sum(JsonNode amounts) {
        long sum = 0;
        for (var amount : amounts) {
            sum += amount.get("amount").asLong();
        }
        return Long.toString(sum);
    }

    private static JsonNode call(StripeScene scene, String path, String form) throws Exception {
        var encoded = form.isEmpty() ? "" : List.of(form.split("&")).stream()
                .map(one -> URLEncoder.encode(one.split("=")[0], StandardCharsets.UTF_8) + "=" + URLEncoder.encode(one.split("=")[1], StandardCharsets.UTF_8)).collect(Collectors.joining("&"));
        var request = HttpRequest.newBuilder(URI.create(scene.stripe().baseUrl() + path)).header("Authorization", "Bearer sk_test_sandbox")
                .header("Content-Type", "application/x-www-form-urlencoded").POST(HttpRequest.BodyPublishers.ofString(encoded)).build();
        var answer = new ObjectMapper().readTree(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
        if (answer.has("error")) {
            throw new AssertionError(path + " " + form + ": " + answer);
        }
        return answer;
    }
}
