package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.stripe.Access.Level;
import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Events that no webhook told of, found in Stripe's list of events. */
class EventsPollTest {

    private static SandboxKafka kafka;

    private final TestServices.Database database = TestServices.database();
    private StripeSimulator stripe;
    private TestApplication application;

    @BeforeAll
    static void startKafka() throws Exception {
        kafka = SandboxKafka.startTemporary();
    }

    @AfterAll
    static void stopKafka() throws Exception {
        kafka.close();
    }

    @BeforeEach
    void startStripe() throws Exception {
        stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
    }

    @AfterEach
    void stop() throws Exception {
        try (var lastStripe = stripe) {
            stopApplication();
        }
    }

    private void startApplication(String inbound) throws Exception {
        startApplication(inbound, "2 minutes");
    }

    private void startApplication(String inbound, String overlap) throws Exception {
        application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .routes("capture", "reconcile", "stripe", "stripe-account", "stripe-account-known", "stripe-call", "stripe-customers", "templates/system", "stripe-invoices", "stripe-invoice-call", "stripe-poll", "stripe-prices", "stripe-products", "stripe-webhook",
                        "upkeep", "templates/integration")
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("stripe.inbound", inbound)
                .with("stripe.webhook-secret", inbound.equals("poll") ? "" : "whsec_sandbox")
                .with("stripe.poll-interval", "200")
                .with("stripe.poll-overlap", overlap)
                .with("postgres.pool-size", "5")
                .with("kafka.consumers", "1")
                .start();
        eventually().until(() -> text("select max(position ->> 'reached') from sync.job where name = 'poll-stripe'") != null);
    }

    private void stopApplication() {
        if (application != null) {
            application.close();
            application = null;
        }
    }

    @Test
    void creates_edits_and_deletes_arrive_by_poll_alone() throws Exception {
        startApplication("poll");
        var kept = create("Ada");
        var gone = create("Bob");
        eventually().until(() -> count("customers") == 2);
        stripe.dashboard().updateCustomer(kept, Map.of("name", "Ada King", "phone", "+44"));
        stripe.dashboard().deleteCustomer(gone);
        eventually().until(() -> texts("select name || phone from customers"), List.of("Ada King+44")::equals);

        var id = text("insert into customers (name) values ('Cy') returning id");
        eventually().until(() -> externalId(id) != null);
        stripe.dashboard().updateCustomer(externalId(id), Map.of("name", "Cyrus"));
        eventually().until(() -> count("customers where name = 'Cyrus'") == 1);
        assertEquals(2, stripe.dashboard().customers().size());
        assertEquals(2, count("customers"));
    }

    @Test
    void another_installations_objects_make_no_rows_by_poll_alone() throws Exception {
        startApplication("poll");
        var foreign = stripe.dashboard().createCustomer(Map.of("name", "Foreign", "metadata", Map.of("hub_id", "1", "hub", "another"))).get("id").asText();
        stripe.dashboard().updateCustomer(foreign, Map.of("name", "Foreign still"));
        create("Ada");
        eventually().until(() -> count("sync.event where outcome = 'foreign'") == 2);
        eventually().until(() -> count("customers") == 1);
        stripe.dashboard().deleteCustomer(foreign);
        eventually().until(() -> count("sync.event where outcome = 'deleted'") == 1);
        assertEquals(List.of("Ada"), texts("select name from customers"));
        assertEquals(0, count("sync.failure"));
    }

    @Test
    void what_happened_while_it_was_down_is_caught_up_with_page_by_page_and_in_order() throws Exception {
        startApplication("both");
        var edited = create("Ada");
        var gone = create("Bob");
        eventually().until(() -> count("customers") == 2);
        stopApplication();

        for (int i = 1; i <= 240; i++) {
            stripe.dashboard().updateCustomer(edited, Map.of("name", "Ada " + i));
        }
        stripe.dashboard().deleteCustomer(gone);
        for (int i = 0; i < 20; i++) {
            create("new " + i);
        }
        stripe.clearApiCalls();
        startApplication("both");
        eventually().until(() -> count("customers") == 21);
        assertEquals("Ada 240", text("select name from customers where name like 'Ada%'"));
        // In order: each followed on the one before, and the object needed not be read.
        assertEquals(0, stripe.apiCalls().stream().filter(call -> call.path().equals("/v1/customers/" + edited)).count());
        assertEquals(0, count("sync.event where outcome = 'deferred'"));
    }

    @Test
    void one_look_reads_all_pages_whatever_is_in_them() throws Exception {
        startApplication("poll", "0 seconds");
        var customer = create("Ada");
        eventually().until(() -> count("customers") == 1);
        stopApplication();
        for (int i = 1; i <= 90; i++) {
            stripe.dashboard().createInvoice(Map.of("customer", customer, "currency", "eur", "memo", "invoice " + i,
                    "lines", List.of(Map.of("description", "a line", "quantity", 1, "unit_amount", i))));
        }
        startApplication("poll", "0 seconds");
        eventually().until(() -> count("invoices") == 90);
    }

    @Test
    void lost_webhooks_are_made_up_for_and_none_is_applied_twice() throws Exception {
        startApplication("both");
        stripe.webhookUrl(application.url("/webhooks/stripe").toString());
        stripe.faults().seed(1).probability(Fault.WEBHOOK_LOST, 0.5).webhookDelay(0, 300);
        for (int i = 0; i < 20; i++) {
            var id = create("first");
            stripe.dashboard().updateCustomer(id, Map.of("name", "second"));
        }
        eventually().until(() -> stripe.webhooksIdle() && count("customers where name = 'second'") == 20);
        assertEquals(20, count("customers"));
        assertEquals(40, count("sync.event"));
        assertEquals(List.of(), texts("select reason from sync.failure"));
    }

    @Test
    void what_happened_before_the_first_start_is_not_taken_for_news() throws Exception {
        create("long ago");
        await().pollDelay(Duration.ofMillis(1100)).until(() -> true);
        startApplication("poll");
        create("new");
        eventually().until(() -> count("customers") == 1);
        assertEquals("new", text("select name from customers"));
    }

    @Test
    void what_happened_since_the_first_start_is_found_though_the_first_look_failed() throws Exception {
        stripe.faults().probability(Fault.SERVER_ERROR, 1);
        startApplication("both");
        create("meanwhile");
        await().pollDelay(Duration.ofMillis(1100)).until(() -> true);
        stopApplication();
        stripe.faults().clear();
        startApplication("both");
        eventually().until(() -> count("customers") == 1);
    }

    @Test
    void events_of_no_interest_are_neither_stored_nor_waited_for() throws Exception {
        startApplication("poll");
        stripe.dashboard().createPrice(Map.of("product", stripe.dashboard().createProduct(Map.of("name", "a saddle")).get("id").asText(), "unit_amount", 100, "currency", "eur"));
        var before = Long.parseLong(reached());
        eventually().until(() -> Long.parseLong(reached()) > before + 1);
        assertEquals(0, count("sync.event where type not like 'product.%'"));
    }

    @Test
    void a_row_that_somebody_has_locked_holds_up_no_other_event_and_is_not_forgotten() throws Exception {
        startApplication("poll");
        var locked = create("Ada");
        eventually().until(() -> count("customers") == 1);
        try (var somebody = Sql.open(database.dataSource())) {
            somebody.connection().setAutoCommit(false);
            somebody.run("select * from customers for update");
            stripe.dashboard().updateCustomer(locked, Map.of("name", "Ada King"));
            create("Bob");
            eventually().until(() -> count("customers where name = 'Bob'") == 1);
            assertEquals(0, count("customers where name = 'Ada King'"));
        }
        eventually().until(() -> count("customers where name = 'Ada King'") == 1);
    }

    @Test
    void an_event_whose_mapping_cannot_read_what_it_needs_holds_up_no_other_and_is_not_forgotten() throws Exception {
        startApplication("poll");
        stripe.faults().only("GET", "/v1/prices").probability(Fault.SERVER_ERROR, 1);
        stripe.dashboard().createProduct(Map.of("name", "Saddle", "unit_amount", 100, "currency", "eur"));
        create("Ada");
        eventually().until(() -> count("customers") == 1);
        assertEquals(0, count("products"));
        assertEquals(0, count("sync.failure"));
        stripe.faults().clear();
        eventually().until(() -> count("products where unit_amount = 100") == 1);
    }

    @Test
    void an_account_whose_events_are_of_another_version_is_read_object_by_object() throws Exception {
        stripe.apiVersion("2024-06-20");
        startApplication("poll");
        var product = stripe.dashboard().createProduct(Map.of("name", "Lamp", "unit_amount", 1999, "currency", "eur")).get("id").asText();
        var invoice = stripe.dashboard().createInvoice(Map.of("customer", create("Ada"), "currency", "eur",
                "lines", List.of(Map.of("description", "two lamps", "quantity", 2, "product", product)))).get("id").asText();
        eventually().until(() -> texts("select quantity || ' at ' || unit_amount from invoice_items where product_id is not null"), List.of("2 at 1999")::equals);
        stripe.dashboard().updateInvoice(invoice, Map.of("memo", "new"));
        eventually().until(() -> count("invoices where memo = 'new'") == 1);
        assertEquals(1, count("invoice_items"));
        assertEquals(List.of(), texts("select reason from sync.failure where next_attempt_at is null"));
    }

    @Test
    void a_list_of_events_that_may_not_be_read_is_told_and_tried_again() throws Exception {
        stripe.access().limit("events", Level.NONE);
        startApplication("poll");
        create("Ada");
        eventually().until(() -> texts("select reason from sync.status() where metric = 'stopped' and entity = 'events' and reason like '%rak_event_read%'").size() == 1);
        stripe.access().clear();
        eventually().until(() -> count("customers") == 1);
        assertEquals(0, count("sync.status() where metric = 'stopped'"));
    }

    @Test
    void events_of_others_are_passed_over_and_counted() throws Exception {
        startApplication("poll");
        for (var foreign : List.of(Map.of("livemode", true), Map.of("account", "acct_somebody_else"))) {
            var event = new HashMap<String, Object>(foreign);
            event.putAll(Map.of("type", "customer.created", "listed", true, "object", Map.of("id", "cus_theirs", "object", "customer", "name", "Eve", "metadata", Map.of())));
            stripe.emit(event);
        }
        create("Ada");
        eventually().until(() -> count("customers") == 1);
        assertEquals("Ada", text("select name from customers"));
        for (var outcome : List.of("ignored_mode", "ignored_account")) {
            eventually().until(() -> application.manage("/observe/metrics").matches("(?s).*bactrian_poll_events_total\\{[^}]*outcome=\"" + outcome + "\".*"));
        }
    }

    @Test
    void after_a_longer_break_than_stripe_keeps_events_a_reconcile_finds_the_rest() throws Exception {
        startApplication("poll");
        var edited = create("Ada");
        eventually().until(() -> count("customers") == 1);
        stopApplication();
        var longAgo = "(extract(epoch from now()) - 31 * 86400)::bigint";
        try (var sql = Sql.open(database.dataSource())) {
            sql.run("update sync.job set position = jsonb_build_object('first', " + longAgo + ", 'reached', " + longAgo + ") where name = 'poll-stripe'");
        }
        startApplication("poll");
        eventually().until(() -> count("sync.run where state = 'done' and mode = 'heal' and because like 'events were forgotten%'") == 1);
        assertEquals("Ada", stripe.dashboard().customer(edited).get("name").asText());
    }

    @Test
    void nothing_is_listed_when_only_webhooks_are_wanted() throws Exception {
        application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("stripe.poll-interval", "10")
                .start();
        var id = text("insert into customers (name) values ('Ada') returning id");
        eventually().until(() -> externalId(id) != null);
        assertEquals(List.of("POST"), stripe.apiCalls().stream().filter(call -> !call.path().equals("/v1/account")).map(ApiCall::method).toList());
        assertNull(reached());
    }

    private String create(String name) {
        return stripe.dashboard().createCustomer(Map.of("name", name)).get("id").asText();
    }

    private String reached() throws SQLException {
        return text("select max(position ->> 'reached') from sync.job where name = 'poll-stripe'");
    }

    private String externalId(String id) throws SQLException {
        return text("select max(external_id) from sync.link where record_id = '" + id + "'");
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(20));
    }

    private long count(String tableAndCondition) throws SQLException {
        return Long.parseLong(text("select count(*) from " + tableAndCondition));
    }

    private String text(String query) throws SQLException {
        return texts(query).get(0);
    }

    private List<String> texts(String query) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            return sql.texts(query);
        }
    }
}
