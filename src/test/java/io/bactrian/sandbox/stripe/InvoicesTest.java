package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
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
        item("amount=250&currency=usd&quantity=1");
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

    /** The types of the events after the customer's, oldest first. */
    private List<String> events() throws Exception {
        var types = new ArrayList<String>();
        http.get("/v1/events?limit=100").json().get("data").forEach(event -> types.add(event.get("type").asText()));
        Collections.reverse(types);
        return types.subList(1, types.size());
    }
}
