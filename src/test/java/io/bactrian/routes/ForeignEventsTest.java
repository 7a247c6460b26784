package io.bactrian.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.bactrian.sandbox.stripe.ApiCall;
import java.math.BigDecimal;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Events of another API version, another account, the other mode, and thin ones: what they say is never taken for ours. */
class ForeignEventsTest {

    private static final String OLD = "2024-06-20";
    private static final String OURS = "2026-07-29.dahlia";
    private static final ObjectMapper JSON = new ObjectMapper();

    private static StripeScene scene;

    @BeforeAll
    static void start() throws Exception {
        scene = new StripeScene();
    }

    @AfterAll
    static void stop() throws Exception {
        scene.close();
    }

    @BeforeEach
    void begin() throws Exception {
        scene.stripe().apiVersion(OURS);
        scene.begin();
    }

    @Test
    void an_invoice_in_another_version_is_read_and_its_lines_stay_what_they_are() throws Exception {
        var invoice = invoice();
        var object = scene.linked("invoices", invoice);
        scene.awaitEqual();
        var rows = "select string_agg(format('%s %s %s %s %s', id, product_id, quantity, unit_amount, xmin), ', ' order by id) from invoice_items where invoice_id = " + invoice;
        var before = scene.text(rows);
        scene.stripe().clearApiCalls();

        var event = scene.stripe().emit(Map.of("type", "invoice.updated", "object", object, "api_version", OLD));
        assertTrue(event.at("/data/object/lines/data/0/parent").isMissingNode());
        scene.awaitText("hint", "select outcome from sync.event where event_id = '" + event.get("id").asText() + "'");
        scene.awaitEqual();

        assertEquals(before, scene.text(rows), "not a line was touched");
        assertEquals(List.of("GET /v1/invoices/" + object), calls());
        scene.run("update invoice_items set quantity = 4 where description = 'Work' and invoice_id = " + invoice);
        scene.awaitEqual();
    }

    @Test
    void what_is_made_and_edited_in_stripe_arrives_though_all_events_are_of_another_version() throws Exception {
        scene.stripe().apiVersion(OLD);
        var product = scene.dashboard().createProduct(Map.of("name", "Lamp", "unit_amount", 1999, "currency", "eur"));
        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada", "email", "ada@example.com"));
        var invoice = scene.dashboard().createInvoice(Map.of("customer", customer.get("id").asText(), "currency", "eur", "lines", List.of(
                Map.of("description", "Lamp", "quantity", 2, "product", product.get("id").asText()), Map.of("description", "Work", "quantity", 3, "unit_amount", 5000))));
        var id = scene.record("invoices", invoice);
        scene.awaitEqual();
        assertEquals(scene.record("products", product) + " 2 1999, none 3 5000", scene.text("select string_agg(format('%s %s %s', coalesce(product_id::text, 'none'), quantity, unit_amount),"
                + " ', ' order by description) from invoice_items where invoice_id = " + id));

        scene.dashboard().updateCustomer(customer.get("id").asText(), Map.of("name", "Ada King"));
        scene.dashboard().finalizeInvoice(invoice.get("id").asText());
        scene.awaitText("open", "select status from invoices where id = " + id);
        scene.awaitText("Ada King", "select name from customers where id = " + scene.record("customers", customer));
        scene.awaitEqual();
    }

    @Test
    void our_own_writes_come_back_in_another_version_and_nothing_is_made_twice() throws Exception {
        scene.stripe().apiVersion(OLD);
        scene.stripe().clearApiCalls();
        var invoice = invoice();
        scene.linked("invoices", invoice);
        scene.run("update invoices set memo = 'second thoughts' where id = " + invoice, "update invoice_items set quantity = 9 where description = 'Work' and invoice_id = " + invoice);
        scene.awaitEqual();
        scene.run("update invoices set status = 'open' where id = " + invoice);
        scene.awaitText("true", "select bool_or(number is not null)::text from invoices where id = " + invoice);
        scene.awaitEqual();
        assertEquals(1, writes("/v1/customers"));
        assertEquals(1, writes("/v1/invoices"));
        assertEquals(2, writes("/v1/invoiceitems"));
        assertEquals("0", scene.text("select count(*) from sync.conflict where record_id = '" + invoice + "' and entity = 'invoices'"));
    }

    @Test
    void a_deletion_told_in_another_version_deletes() throws Exception {
        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        var id = scene.record("customers", customer);
        scene.stripe().apiVersion(OLD);
        scene.dashboard().deleteCustomer(customer.get("id").asText());
        scene.awaitText("0", "select count(*) from customers where id = " + id);
    }

    @Test
    void a_hint_about_what_is_not_there_makes_nothing_and_deletes_nothing() throws Exception {
        var before = scene.text("select count(*) from customers");
        var event = scene.stripe().emit(Map.of("type", "customer.updated", "api_version", OLD,
                "object", Map.of("id", "cus_nowhere", "object", "customer", "name", "Nobody", "metadata", Map.of())));
        scene.awaitText("missing", "select outcome from sync.event where event_id = '" + event.get("id").asText() + "'");
        scene.awaitEqual();
        assertEquals(before, scene.text("select count(*) from customers"));

        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        var id = scene.record("customers", customer);
        scene.run("update sync.link set external_id = 'cus_elsewhere' where record_id = '" + id + "' and entity = 'customers'");
        scene.stripe().emit(Map.of("type", "customer.updated", "api_version", OLD, "object", Map.of("id", "cus_elsewhere", "object", "customer", "name", "Eve", "metadata", Map.of())));
        scene.awaitText("Ada", "select c.name from customers c join sync.failure f on f.entity = 'customers' and f.record_id = c.id::text and f.code = 'resource_missing' where c.id = " + id);
        scene.run("update sync.link set look_at = null, external_id = '" + customer.get("id").asText() + "' where record_id = '" + id + "' and entity = 'customers'");
    }

    @Test
    void hints_wait_while_inbound_is_paused_and_no_call_is_made() throws Exception {
        scene.stripe().apiVersion(OLD);
        scene.run("select sync.pause('stripe', 'in')");
        try {
            scene.stripe().clearApiCalls();
            var customer = scene.dashboard().createCustomer(Map.of("name", "Ada")).get("id").asText();
            scene.awaitText("held", "select outcome from sync.event where external_id = '" + customer + "'");
            assertEquals(List.of(), calls());
            scene.run("select sync.resume('stripe', 'in')");
            scene.awaitText("Ada", "select c.name from customers c join sync.link l on l.record_id = c.id::text and l.external_id = '" + customer + "'");
        } finally {
            scene.run("select sync.resume('stripe', 'in')");
        }
    }

    @Test
    void an_event_of_a_connected_account_makes_no_row_and_no_call() throws Exception {
        scene.stripe().clearApiCalls();
        var before = counted("ignored_account");
        var answer = post("{'id':'evt_conn1','object':'event','account':'acct_somebody_else','api_version':'" + OURS + "','created':1795000000,'livemode':false,'request':null,"
                + "'type':'customer.created','data':{'object':{'id':'cus_of_a_merchant','object':'customer','name':'A merchant','email':'m@shop.test','metadata':{}}}}");
        assertEquals("200 {\"outcome\":\"ignored\"}", answer);
        assertEquals(before + 1, counted("ignored_account"));
        scene.awaitNothing();
        assertEquals("0", scene.text("select count(*) from customers where email = 'm@shop.test'"));
        assertEquals("0", scene.text("select count(*) from sync.event where event_id = 'evt_conn1'"));
        assertEquals(List.of(), calls());
    }

    @Test
    void another_account_cannot_delete_or_edit_what_is_ours_by_its_id() throws Exception {
        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        var id = scene.record("customers", customer);
        for (var type : List.of("customer.deleted", "customer.updated")) {
            for (var version : List.of(OURS, OLD)) {
                scene.stripe().emit(Map.of("type", type, "account", "acct_somebody_else", "api_version", version,
                        "object", Map.of("id", customer.get("id").asText(), "object", "customer", "name", "Eve", "metadata", Map.of())));
            }
        }
        scene.awaitEqual();
        assertEquals("Ada", scene.text("select name from customers where id = " + id));
    }

    @Test
    void a_live_event_does_nothing_to_what_a_test_key_syncs() throws Exception {
        var customer = scene.dashboard().createCustomer(Map.of("name", "Ada"));
        var id = scene.record("customers", customer);
        scene.awaitEqual();
        var before = counted("ignored_mode");
        scene.stripe().clearApiCalls();
        for (var type : List.of("customer.deleted", "customer.updated", "customer.created")) {
            scene.stripe().emit(Map.of("type", type, "livemode", true,
                    "object", Map.of("id", customer.get("id").asText(), "object", "customer", "name", "Eve", "metadata", Map.of("hub_id", id))));
        }
        StripeScene.eventually().until(() -> counted("ignored_mode") == before + 3);
        scene.awaitEqual();
        assertEquals("Ada", scene.text("select name from customers where id = " + id));
        assertEquals(List.of(), calls());
    }

    @Test
    void a_thin_ping_is_answered_200() throws Exception {
        var before = counted("ignored_thin");
        assertEquals("200 {\"outcome\":\"ignored\"}", post("{'id':'evt_test_65R','object':'v2.core.event','type':'v2.core.event_destination.ping','livemode':false,"
                + "'created':'2026-11-28T10:00:00.000Z','related_object':{'id':'ed_test_1','type':'v2.core.event_destination','url':'/v2/core/event_destinations/ed_test_1'}}"));
        assertEquals("200 {\"outcome\":\"ignored\"}", post("{'id':'evt_test_65S','object':'v2.core.event','type':'v1.billing.meter.error_report_triggered','livemode':false,"
                + "'created':'2026-11-28T10:00:00.000Z','related_object':null}"));
        assertEquals(before + 2, counted("ignored_thin"));
        assertEquals("400 {\"outcome\":\"refused\"}", post("{'object':'v2.core.event'}"));
    }

    @Test
    void a_thin_event_about_a_customer_makes_us_read_him() throws Exception {
        scene.stripe().webhookUrl(null);
        var made = scene.dashboard().createCustomer(Map.of("name", "Ada")).get("id").asText();
        scene.stripe().webhookUrl(scene.application().url("/webhooks/stripe").toString());
        scene.stripe().emit(thin("v1.customer.created", "customer", made));
        scene.awaitText("Ada", "select c.name from customers c join sync.link l on l.record_id = c.id::text and l.external_id = '" + made + "'");

        scene.stripe().webhookUrl(null);
        scene.dashboard().updateCustomer(made, Map.of("name", "Ada King"));
        scene.stripe().webhookUrl(scene.application().url("/webhooks/stripe").toString());
        scene.stripe().emit(thin("v1.customer.updated", "customer", made));
        scene.awaitText("Ada King", "select c.name from customers c join sync.link l on l.record_id = c.id::text and l.external_id = '" + made + "'");
        scene.awaitEqual();
    }

    @Test
    void a_thin_event_about_what_is_not_synced_or_another_accounts_is_ignored() throws Exception {
        scene.stripe().clearApiCalls();
        assertEquals("200 {\"outcome\":\"ignored\"}", post(JSON.writeValueAsString(scene.stripe().emit(thin("v1.payout.paid", "payout", "po_1")))));
        assertEquals("200 {\"outcome\":\"ignored\"}", post("{'id':'evt_test_65T','object':'v2.core.event','type':'v1.customer.created','livemode':false,'context':'acct_somebody_else',"
                + "'created':'2026-11-28T10:00:00.000Z','related_object':{'id':'cus_theirs','type':'customer','url':'/v1/customers/cus_theirs'}}"));
        scene.awaitNothing();
        assertEquals(List.of(), calls());
    }

    private static Map<String, Object> thin(String type, String object, String id) {
        return Map.of("type", type, "thin", true, "related_object", Map.of("id", id, "type", object, "url", "/v1/" + object + "s/" + id));
    }

    /** An invoice of a new customer's in the hub, with a product's line and another one. */
    private static String invoice() throws Exception {
        return scene.text("""
                with c as (insert into customers (name) values ('Ada') returning id),
                     p as (insert into products (name, unit_amount, currency) values ('Lamp', 1999, 'EUR') returning id),
                     i as (insert into invoices (customer_id, currency) select id, 'EUR' from c returning id),
                     l as (insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount)
                           select i.id, p.id, 'Lamp', 2, 1999 from i, p union all select i.id, null, 'Work', 3, 5000 from i)
                select id from i""");
    }

    private static List<String> calls() {
        return scene.stripe().apiCalls().stream().map(call -> call.method() + " " + call.path()).toList();
    }

    private static long writes(String path) {
        return scene.stripe().apiCalls().stream().filter(ApiCall::wrote).filter(call -> call.method().equals("POST") && call.path().equals(path)).count();
    }

    private static String post(String event) throws Exception {
        var body = event.replace('\'', '"');
        var answer = scene.application().send(HttpRequest.newBuilder(scene.application().url("/webhooks/stripe")).header("Content-Type", "application/json; charset=utf-8")
                .header("Stripe-Signature", StripeEvent.signature(body, "whsec_sandbox")).POST(BodyPublishers.ofString(body)));
        return answer.statusCode() + " " + answer.body();
    }

    private static double counted(String outcome) throws Exception {
        var line = Pattern.compile("bactrian_webhook_events_total\\{[^}]*outcome=\"" + outcome + "\"[^}]*system=\"stripe\"[^}]*} ([0-9.]+)");
        return line.matcher(scene.application().manage("/observe/metrics")).results().mapToDouble(found -> new BigDecimal(found.group(1)).doubleValue()).sum();
    }
}
