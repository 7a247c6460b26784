package io.bactrian.sandbox.stripe;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a person does with invoices and products in the dashboard. */
class DashboardTest {

    private StripeSimulator simulator;
    private Dashboard dashboard;
    private String customer;

    @BeforeEach
    void start() throws Exception {
        simulator = StripeSimulator.start(StripeSimulator.Options.inMemory());
        dashboard = simulator.dashboard();
        customer = dashboard.createCustomer(Map.of("name", "Ada")).get("id").asText();
    }

    @AfterEach
    void stop() {
        simulator.close();
    }

    @Test
    void creates_an_invoice_with_its_lines_at_once() throws Exception {
        var product = dashboard.createProduct(Map.of("name", "Tea", "unit_amount", 4900, "currency", "nok")).get("id").asText();
        var lines = List.of(Map.of("product", product, "quantity", 2), Map.of("product", product, "unit_amount", 3900), Map.of("description", "Rebate", "unit_amount", -100));
        var invoice = dashboard.createInvoice(Map.of("customer", customer, "currency", "nok", "memo", "Thanks", "days_until_due", 14, "lines", lines));
        assertEquals(13_600, invoice.get("total").asInt());
        assertEquals("Thanks", invoice.get("description").asText());
        assertEquals("send_invoice", invoice.get("collection_method").asText());
        assertEquals(List.of("Tea", "Tea", "Rebate"), invoice.at("/lines/data").findValuesAsText("description"));
        var types = new ArrayList<String>();
        for (var event : events()) {
            assertTrue(event.at("/request/idempotency_key").isNull());
            types.add(event.get("type").asText());
        }
        assertEquals(1, Collections.frequency(types, "invoice.created"));
        assertEquals(3, Collections.frequency(types, "invoice.updated"));
        assertEquals(3, Collections.frequency(types, "invoiceitem.created"));
    }

    @Test
    void bills_decimals_tax_discounts_and_shipping() throws Exception {
        var lines = List.of(Map.of("description", "Work", "quantity", "2.5", "unit_amount", "1000"),
                Map.of("description", "Book", "unit_amount", 1100, "tax_rate", Map.of("percentage", 10, "inclusive", true), "discount", Map.of("amount_off", 110)));
        var invoice = dashboard.createInvoice(Map.of("customer", customer, "currency", "eur", "tax_rate", Map.of("percentage", "25"), "discount", Map.of("percent_off", 10),
                "shipping", 700, "lines", lines));
        assertEquals(2500 + 990, invoice.get("subtotal").asInt());
        assertEquals(2250 + 563 + 891 + 700, invoice.get("total").asInt());
        assertEquals("2.5", invoice.at("/lines/data/0/quantity_decimal").asText());
        assertEquals(List.of("563", "81"), invoice.get("total_taxes").findValuesAsText("amount"));
        var id = invoice.get("id").asText();
        var book = invoice.at("/lines/data/1/parent/invoice_item_details/invoice_item").asText();
        dashboard.updateLine(book, Map.of("quantity", "0.5", "tax_rate", "", "discount", ""));
        var fields = new HashMap<String, Object>();
        List.of("tax_rate", "discount", "shipping").forEach(field -> fields.put(field, null));
        assertEquals(2500 + 550, dashboard.updateInvoice(id, fields).get("total").asInt());
        var again = dashboard.createInvoice(Map.of("customer", customer, "currency", "eur", "tax_rate", Map.of("percentage", "25"),
                "lines", List.of(Map.of("unit_amount", "12.5", "quantity", 4))));
        assertEquals(63, again.get("total").asInt());
        assertEquals(2, Http.to(simulator).get("/v1/tax_rates").json().get("data").size());
    }

    @Test
    void creates_nothing_when_a_line_is_refused() throws Exception {
        var lines = List.of(Map.of("description", "Tea", "unit_amount", 1), Map.of("description", "Gold", "unit_amount", 100_000_000));
        var refused = assertThrows(IllegalArgumentException.class, () -> dashboard.createInvoice(Map.of("customer", customer, "currency", "usd", "lines", lines)));
        assertTrue(refused.getMessage().startsWith("unit_amount_decimal: "), refused.getMessage());
        assertEquals(List.of(), dashboard.invoices());
        assertEquals(1, events().size());
    }

    @Test
    void edits_a_draft_and_its_lines() throws Exception {
        var id = dashboard.createInvoice(Map.of("customer", customer, "currency", "jpy")).get("id").asText();
        var tea = dashboard.addLine(id, Map.of("description", "Tea", "quantity", 3, "unit_amount", 500, "metadata", Map.of("hub_id", "7")));
        var milk = dashboard.addLine(id, Map.of("description", "Milk", "unit_amount", 200));
        dashboard.updateLine(tea, Map.of("quantity", 4));
        dashboard.updateLine(tea, Map.of("unit_amount", 600, "description", "Green tea"));
        assertEquals(2600, dashboard.invoice(id).get("total").asInt());
        dashboard.removeLine(milk);
        assertEquals(List.of("Green tea"), dashboard.invoice(id).at("/lines/data").findValuesAsText("description"));
        assertEquals("7", dashboard.invoice(id).at("/lines/data/0/metadata/hub_id").asText());
        assertEquals("Thanks", dashboard.updateInvoice(id, Map.of("memo", "Thanks")).get("description").asText());
        assertEquals(1_924_991_999, dashboard.updateInvoice(id, Map.of("due_date", "2030-12-31")).get("due_date").asLong());
        assertEquals("Thanks", dashboard.updateInvoice(id, Collections.singletonMap("due_date", null)).get("description").asText());
        assertTrue(dashboard.invoice(id).get("due_date").isNull());
        dashboard.deleteInvoice(id);
        assertThrows(IllegalArgumentException.class, () -> dashboard.invoice(id));
    }

    @Test
    void keeps_the_product_of_a_line_whose_price_it_changes() throws Exception {
        var product = dashboard.createProduct(Map.of("name", "Tea", "unit_amount", 4900, "currency", "nok")).get("id").asText();
        var id = dashboard.createInvoice(Map.of("customer", customer, "currency", "nok", "lines", List.of(Map.of("product", product)))).get("id").asText();
        var item = dashboard.invoice(id).at("/lines/data/0/parent/invoice_item_details/invoice_item").asText();
        assertEquals(product, dashboard.updateLine(item, Map.of("unit_amount", 100)).at("/pricing/price_details/product").asText());
        var without = new HashMap<String, Object>(Map.of("unit_amount", 200));
        without.put("product", null);
        assertFalse(dashboard.updateLine(item, without).get("pricing").has("price_details"));
        assertEquals(4900, dashboard.updateLine(item, Map.of("product", product)).get("amount").asInt());
    }

    @Test
    void shows_all_lines_of_an_invoice() throws Exception {
        var lines = IntStream.range(0, 12).mapToObj(i -> Map.of("description", "line " + i, "unit_amount", i)).toList();
        var invoice = dashboard.createInvoice(Map.of("customer", customer, "currency", "usd", "lines", lines));
        assertEquals(12, invoice.at("/lines/data").size());
        assertEquals(List.of(invoice), dashboard.invoices());
    }

    @Test
    void moves_an_invoice_through_its_life() throws Exception {
        for (var end : List.of("void", "uncollectible", "paid")) {
            var id = dashboard.createInvoice(Map.of("customer", customer, "currency", "usd", "lines", List.of(Map.of("unit_amount", 5)))).get("id").asText();
            assertEquals("open", dashboard.finalizeInvoice(id).get("status").asText());
            var ended = end.equals("void") ? dashboard.voidInvoice(id) : end.equals("paid") ? dashboard.payInvoice(id) : dashboard.markUncollectible(id);
            assertEquals(end, ended.get("status").asText());
        }
    }

    @Test
    void changes_a_default_price_by_making_another() throws Exception {
        var made = dashboard.createProduct(Map.of("name", "Tea", "unit_amount", 4900, "currency", "nok"));
        var id = made.get("id").asText();
        var same = dashboard.updateProduct(id, Map.of("name", "Green tea", "unit_amount", 4900));
        assertEquals(made.get("default_price"), same.get("default_price"));
        var changed = dashboard.updateProduct(id, Map.of("unit_amount", 500, "currency", "usd"));
        assertEquals(500, changed.at("/default_price/unit_amount").asInt());
        assertEquals("usd", changed.at("/default_price/currency").asText());
        assertFalse(Http.to(simulator).get("/v1/prices/" + made.at("/default_price/id").asText()).json().get("active").asBoolean());
        assertTrue(dashboard.updateProduct(id, Collections.singletonMap("unit_amount", null)).get("default_price").isNull());
        assertFalse(dashboard.updateProduct(id, Map.of("active", false)).get("active").asBoolean());
        assertEquals(List.of(dashboard.product(id)), dashboard.products());
    }

    private List<JsonNode> events() throws Exception {
        var events = new ArrayList<JsonNode>();
        Http.to(simulator).get("/v1/events?limit=100").json().get("data").forEach(events::add);
        return events;
    }
}
