package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.stripe.StripeClient;
import com.stripe.param.InvoiceCreateParams;
import com.stripe.param.InvoiceItemCreateParams;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class InvoicesTest {

    private StripeSimulator simulator;
    private Http http;
    private String customer;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        http = Http.to(simulator);
        customer = http.post("/v1/customers", "name=Ada&email=ada@example.com").id();
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void are_finalized_and_paid_by_stripe_java() throws Exception {
        var stripe = StripeClient.builder().setApiKey("sk_test_sandbox").setApiBase(simulator.baseUrl().toString()).build().v1();
        var draft = stripe.invoices().create(InvoiceCreateParams.builder().setCustomer(customer).setCurrency("nok").build());
        stripe.invoiceItems().create(InvoiceItemCreateParams.builder().setCustomer(customer).setInvoice(draft.getId()).setCurrency("nok").setAmount(4900L)
                .setDescription("Tea").build());
        assertEquals("draft", draft.getStatus());
        assertEquals("ada@example.com", draft.getCustomerEmail());
        var open = stripe.invoices().finalizeInvoice(draft.getId());
        assertEquals("open", open.getStatus());
        assertEquals(4900, open.getAmountDue());
        assertTrue(open.getNumber().matches("[0-9A-Z]{8}-0001"));
        assertEquals("Tea", open.getLines().getData().get(0).getDescription());
        var paid = stripe.invoices().pay(draft.getId());
        assertEquals("paid", paid.getStatus());
        assertEquals(4900, paid.getAmountPaid());
        assertEquals(0, paid.getAmountRemaining());
        assertEquals(List.of("invoice.created", "invoice.updated", "invoiceitem.created", "invoice.updated", "invoice.finalized", "invoice.updated",
                "invoice.paid", "invoice.payment_succeeded"), events());
    }

    @Test
    void take_pending_items_when_asked() throws Exception {
        item("amount=100&currency=usd");
        item("amount=250&currency=usd");
        item("amount=900&currency=eur");
        assertEquals(3, http.get("/v1/invoiceitems?pending=true&customer=" + customer).json().get("data").size());
        assertEquals(0, invoice("").get("total").asInt());
        var invoice = invoice("&pending_invoice_items_behavior=include");
        assertEquals(350, invoice.get("total").asInt());
        assertEquals(List.of("250", "100"), invoice.at("/lines/data").findValuesAsText("amount"));
        assertEquals(1, http.get("/v1/invoiceitems?pending=true&customer=" + customer).json().get("data").size());
        assertEquals(2, http.get("/v1/invoiceitems?invoice=" + invoice.get("id").asText()).json().get("data").size());
    }

    @Test
    void follow_their_items_while_they_are_drafts() throws Exception {
        var invoice = invoice("");
        var path = "/v1/invoices/" + invoice.get("id").asText();
        var tea = item("unit_amount_decimal=12.5&quantity=3&currency=usd&invoice=" + invoice.get("id").asText());
        var milk = item("amount=100&currency=usd&invoice=" + invoice.get("id").asText());
        assertEquals(138, http.get(path).json().get("amount_due").asInt());
        http.post("/v1/invoiceitems/" + tea.get("id").asText(), "quantity=4");
        assertEquals(150, http.get(path).json().get("amount_due").asInt());
        http.delete("/v1/invoiceitems/" + milk.get("id").asText());
        assertEquals(50, http.get(path).json().get("amount_due").asInt());
        http.post(path + "/finalize", "");
        assertEquals(400, http.post("/v1/invoiceitems/" + tea.get("id").asText(), "quantity=5").status());
        assertEquals(400, http.delete("/v1/invoiceitems/" + tea.get("id").asText()).status());
        assertEquals("invoice_not_editable", http.post(path, "description=late").error().get("code").asText());
        assertEquals(200, http.post(path, "metadata[a]=1").status());
    }

    @Test
    void are_priced_by_prices() throws Exception {
        var product = http.post("/v1/products", "name=Tea").id();
        var price = http.post("/v1/prices", "currency=nok&unit_amount=4900&product=" + product).id();
        var item = item("pricing[price]=" + price + "&quantity=2");
        assertEquals(9800, item.get("amount").asInt());
        assertEquals("nok", item.get("currency").asText());
        assertEquals(product, item.at("/pricing/price_details/product").asText());
        assertEquals(400, http.post("/v1/invoiceitems", "customer=" + customer + "&pricing[price]=price_no").status());
    }

    @Test
    void take_prices_made_on_the_spot() throws Exception {
        var product = http.post("/v1/products", "name=Tea").id();
        var invoice = invoice("&currency=nok").get("id").asText();
        var item = item("price_data[currency]=nok&price_data[unit_amount]=4900&price_data[product]=" + product + "&quantity=2&metadata[hub_id]=7&invoice=" + invoice);
        assertEquals(9800, item.get("amount").asInt());
        var line = http.get("/v1/invoices/" + invoice).json().at("/lines/data/0");
        assertEquals("Tea", line.get("description").asText());
        assertEquals("7", line.at("/metadata/hub_id").asText());
        assertEquals(item.get("id"), line.at("/parent/invoice_item_details/invoice_item"));
        assertEquals(item.get("id").asText().replace("ii_", "il_"), line.get("id").asText());
        assertEquals(product, line.at("/pricing/price_details/product").asText());
        var price = http.get("/v1/prices/" + line.at("/pricing/price_details/price").asText()).json();
        assertFalse(price.get("active").asBoolean());
        assertEquals("one_time", price.get("type").asText());
        assertEquals(400, http.post("/v1/invoiceitems", "customer=" + customer + "&pricing[price]=" + price.get("id").asText()).status());
        var other = http.post("/v1/products", "name=Milk").id();
        var path = "/v1/invoiceitems/" + item.get("id").asText();
        var changed = http.post(path, "price_data[currency]=nok&price_data[unit_amount_decimal]=0.5&price_data[product]=" + other + "&description=Fresh").json();
        assertEquals(1, changed.get("amount").asInt());
        assertEquals(other, changed.at("/pricing/price_details/product").asText());
        assertEquals("Fresh", http.get("/v1/invoices/" + invoice).json().at("/lines/data/0/description").asText());
        assertFalse(http.post(path, "unit_amount_decimal=-70").json().get("pricing").has("price_details"));
        assertEquals(-140, http.get("/v1/invoices/" + invoice).json().get("total").asInt());
        assertEquals(0, http.get("/v1/invoices/" + invoice).json().get("amount_due").asInt());
        assertEquals(400, http.post(path, "price_data[currency]=usd&price_data[unit_amount]=1&price_data[product]=" + other).status());
    }

    @ParameterizedTest
    @CsvSource({
        "amount=1&unit_amount_decimal=1, unit_amount_decimal",
        "amount=1&quantity=1, quantity",
        "amount=1&price_data[currency]=usd&price_data[product]=prod_1&price_data[unit_amount]=1, price_data",
        "pricing[price]=price_1&price_data[currency]=usd&price_data[product]=prod_1&price_data[unit_amount]=1, price_data",
        "price_data[currency]=usd&price_data[product]=prod_1&price_data[unit_amount]=1, price_data[product]",
        "price_data[currency]=usd&price_data[unit_amount]=1, price_data[product]",
        "price_data[product]=prod_1&price_data[unit_amount]=1, price_data[currency]",
        "amount=100000000, amount",
        "unit_amount_decimal=100000000, unit_amount_decimal",
        "unit_amount_decimal=-100000000, unit_amount_decimal",
        "unit_amount_decimal=50000000&quantity=2, quantity",
        "unit_amount_decimal=1&quantity=-1, quantity",
        "unit_amount_decimal=1&quantity_decimal=-0.5, quantity_decimal",
        "unit_amount_decimal=1&quantity_decimal=0.0000000000001, quantity_decimal",
        "unit_amount_decimal=1&quantity=1&quantity_decimal=1, quantity_decimal",
        "amount=1&quantity_decimal=1, quantity_decimal",
        "unit_amount_decimal=50000000&quantity_decimal=2.5, quantity_decimal",
        "description=Tea, amount",
    })
    void refuse_an_item_that_stripe_refuses(String form, String param) throws Exception {
        var reply = http.post("/v1/invoiceitems", "customer=" + customer + "&currency=usd&" + form);
        assertEquals(400, reply.status());
        assertEquals(param, reply.error().get("param").asText());
        assertEquals(0, http.get("/v1/invoiceitems").json().get("data").size());
    }

    @ParameterizedTest
    @CsvSource({
        "2.5, 1000, 2500, 2, 2.5",
        "0.333333333333, 10000, 3333, 0, 0.333333333333",
        "0.5, 1, 1, 0, 0.5",
        "0.5, -1, -1, 0, 0.5",
        "1.50, 33.35, 50, 1, 1.5",
        "5.7, 10.5, 60, 5, 5.7",
        "3.000, 7, 21, 3, 3",
    })
    void take_decimal_quantities(String quantity, String unit, long amount, long whole, String shown) throws Exception {
        var id = invoice("").get("id").asText();
        var item = item("currency=usd&unit_amount_decimal=" + unit + "&quantity_decimal=" + quantity + "&invoice=" + id);
        var line = http.get("/v1/invoices/" + id).json().at("/lines/data/0");
        for (var one : List.of(item, line)) {
            assertEquals(amount, one.get("amount").asLong());
            assertEquals(whole, one.get("quantity").asLong());
            assertEquals(shown, one.get("quantity_decimal").asText());
        }
        assertEquals("4", http.post("/v1/invoiceitems/" + item.get("id").asText(), "quantity=4").json().get("quantity_decimal").asText());
    }

    @Test
    void take_amounts_and_quantities_at_their_bounds() throws Exception {
        for (var form : List.of("amount=99999999", "amount=-99999999", "unit_amount_decimal=99999999", "unit_amount_decimal=0&quantity=2147483647", "unit_amount_decimal=99999999&quantity=0",
                "unit_amount_decimal=0.000000000001&quantity=1000000", "unit_amount_decimal=-99999999")) {
            for (var currency : List.of("jpy", "usd", "kwd")) {
                var possible = currency.equals("kwd") ? form.replace("99999999", "99999990") : form;
                assertEquals(currency, item(possible + "&currency=" + currency).get("currency").asText());
            }
        }
    }

    @Test
    void tell_what_a_change_of_an_item_changed() throws Exception {
        var id = invoice("").get("id").asText();
        var item = http.post("/v1/invoiceitems", "customer=" + customer + "&currency=usd&amount=100&invoice=" + id, "Idempotency-Key", "k1");
        var created = event(0);
        assertEquals("invoiceitem.created", created.get("type").asText());
        var updated = event(1);
        assertEquals("invoice.updated", updated.get("type").asText());
        assertEquals(100, updated.at("/data/object/total").asInt());
        assertEquals(0, updated.at("/data/previous_attributes/total").asInt(-1));
        assertEquals("{\"data\":[]}", updated.at("/data/previous_attributes/lines").toString());
        for (var event : List.of(created, updated)) {
            assertEquals("k1", event.at("/request/idempotency_key").asText());
            assertEquals(item.header("Request-Id"), event.at("/request/id").asText());
        }
        http.post("/v1/invoices/" + id, "description=Thanks");
        assertEquals("{\"description\":null}", event(0).at("/data/previous_attributes").toString());
        http.delete("/v1/invoiceitems/" + item.id());
        assertEquals("invoiceitem.deleted", event(0).get("type").asText());
        assertEquals(100, event(1).at("/data/previous_attributes/lines/data/0/amount").asInt());
        assertEquals(0, event(1).at("/data/object/lines/data").size());
    }

    @Test
    void send_events_that_show_each_step_as_it_was() throws Exception {
        var id = invoice("&collection_method=send_invoice&days_until_due=3").get("id").asText();
        item("amount=100&currency=usd&invoice=" + id);
        var before = events().size();
        http.post("/v1/invoices/" + id + "/pay", "paid_out_of_band=true");
        assertEquals(List.of("invoice.updated open", "invoice.finalized open", "invoice.updated paid", "invoice.paid paid", "invoice.payment_succeeded paid"), steps(before));
        var gone = invoice("").get("id").asText();
        http.delete("/v1/invoices/" + gone);
        assertEquals("invoice.deleted draft", steps(before).get(steps(before).size() - 1));
    }

    @Test
    void of_a_deleted_customer_stay_but_cannot_be_finalized() throws Exception {
        var open = invoice("").get("id").asText();
        item("amount=100&currency=usd&invoice=" + open);
        http.post("/v1/invoices/" + open + "/finalize", "");
        var draft = invoice("").get("id").asText();
        http.delete("/v1/customers/" + customer);
        assertEquals("resource_missing", http.post("/v1/invoices/" + draft + "/finalize", "").error().get("code").asText());
        assertEquals(200, http.post("/v1/invoices/" + draft, "description=x").status());
        assertEquals(200, http.delete("/v1/invoices/" + draft).status());
        assertEquals("paid", http.post("/v1/invoices/" + open + "/pay", "").json().get("status").asText());
    }

    @Test
    void go_from_status_to_status_only_as_allowed() throws Exception {
        var path = "/v1/invoices/" + invoice("").get("id").asText();
        item("amount=100&currency=usd&invoice=" + path.substring(13));
        assertEquals(400, http.post(path + "/void", "").status());
        assertEquals(400, http.post(path + "/mark_uncollectible", "").status());
        assertEquals("open", http.post(path + "/finalize", "").json().get("status").asText());
        assertEquals(400, http.post(path + "/finalize", "").status());
        assertEquals(400, http.delete(path).status());
        assertEquals("uncollectible", http.post(path + "/mark_uncollectible", "").json().get("status").asText());
        var voided = http.post(path + "/void", "").json();
        assertEquals("void", voided.get("status").asText());
        assertTrue(voided.at("/status_transitions/voided_at").isNumber());
        assertEquals(400, http.post(path + "/pay", "").status());
        assertEquals(404, http.post(path + "/frobnicate", "").status());
    }

    @Test
    void of_nothing_are_paid_at_once() throws Exception {
        var path = "/v1/invoices/" + invoice("").get("id").asText();
        assertEquals("paid", http.post(path + "/finalize", "").json().get("status").asText());
    }

    @Test
    void are_sent_when_they_have_a_due_date() throws Exception {
        assertEquals(400, http.post("/v1/invoices", "customer=" + customer + "&collection_method=send_invoice").status());
        assertEquals(400, http.post("/v1/invoices", "customer=" + customer + "&days_until_due=3").status());
        var invoice = invoice("&collection_method=send_invoice&days_until_due=3");
        assertEquals(invoice.get("created").asLong() + 3 * 86_400, invoice.get("due_date").asLong());
        item("amount=100&currency=usd&invoice=" + invoice.get("id").asText());
        assertEquals("open", http.post("/v1/invoices/" + invoice.get("id").asText() + "/send", "").json().get("status").asText());
        assertEquals("invoice.sent", events().get(events().size() - 1));
    }

    @Test
    void are_deleted_as_drafts_with_their_items() throws Exception {
        var id = invoice("").get("id").asText();
        var item = item("amount=100&currency=usd&invoice=" + id);
        assertEquals(200, http.delete("/v1/invoices/" + id).status());
        assertEquals(404, http.get("/v1/invoices/" + id).status());
        assertEquals(404, http.get("/v1/invoiceitems/" + item.get("id").asText()).status());
    }

    @Test
    void show_ten_lines_and_list_the_others() throws Exception {
        var id = invoice("").get("id").asText();
        for (var i = 0; i < 12; i++) {
            item("amount=" + (100 + i) + "&currency=usd&invoice=" + id);
        }
        var lines = http.get("/v1/invoices/" + id).json().get("lines");
        assertEquals(10, lines.get("data").size());
        assertTrue(lines.get("has_more").asBoolean());
        assertEquals(1266, http.get("/v1/invoices/" + id).json().get("total").asInt());
        var rest = http.get("/v1/invoices/" + id + "/lines?limit=100&starting_after=" + lines.get("data").get(9).get("id").asText()).json();
        assertEquals(List.of("110", "111"), rest.get("data").findValuesAsText("amount"));
        assertFalse(rest.get("has_more").asBoolean());
        var before = http.get("/v1/invoices/" + id + "/lines?limit=3&ending_before=" + rest.at("/data/0/id").asText()).json();
        assertEquals(List.of("107", "108", "109"), before.get("data").findValuesAsText("amount"));
        assertTrue(before.get("has_more").asBoolean());
        assertEquals("resource_missing", http.get("/v1/invoices/" + id + "/lines?starting_after=il_no").error().get("code").asText());
    }

    @Test
    void have_up_to_250_items() throws Exception {
        var id = invoice("").get("id").asText();
        for (var i = 0; i < 250; i++) {
            item("amount=1&currency=usd&invoice=" + id);
        }
        assertEquals(400, http.post("/v1/invoiceitems", "customer=" + customer + "&amount=1&currency=usd&invoice=" + id).status());
        assertEquals(250, http.get("/v1/invoices/" + id).json().get("total").asInt());
    }

    private JsonNode invoice(String more) throws Exception {
        var reply = http.post("/v1/invoices", "customer=" + customer + more);
        assertEquals(200, reply.status(), reply.json().toString());
        return reply.json();
    }

    private JsonNode item(String form) throws Exception {
        var reply = http.post("/v1/invoiceitems", "customer=" + customer + "&" + form);
        assertEquals(200, reply.status(), reply.json().toString());
        return reply.json();
    }

    /** One of the newest events, the newest first. */
    private JsonNode event(int index) throws Exception {
        return http.get("/v1/events").json().get("data").get(index);
    }

    /** The types of the events of invoices after the first ones, with the status that each shows, oldest first. */
    private List<String> steps(int skip) throws Exception {
        var steps = new ArrayList<String>();
        http.get("/v1/events?limit=100").json().get("data").forEach(event -> steps.add(event.get("type").asText() + " " + event.at("/data/object/status").asText()));
        Collections.reverse(steps);
        return steps.subList(skip + 1, steps.size());
    }

    /** The types of the events after the customer's, oldest first. */
    private List<String> events() throws Exception {
        var types = new ArrayList<String>();
        http.get("/v1/events?limit=100").json().get("data").forEach(event -> types.add(event.get("type").asText()));
        Collections.reverse(types);
        return types.subList(1, types.size());
    }
}
