package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sandbox.stripe.Access.Level;
import io.bactrian.sandbox.stripe.Fault;
import io.bactrian.sandbox.stripe.StripeSimulator;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.Test;

/** Runs in the application: on first contact, with a system that does not answer, and with deletes that nobody told of. */
class ReconcileRouteTest {

    private final TestServices.Database database = TestServices.database();

    @Test
    void from_first_contact_to_a_confirmed_mass_delete() throws Exception {
        try (var kafka = SandboxKafka.startTemporary(); var stripe = StripeSimulator.start(StripeSimulator.Options.inMemory())) {
            run("select sync.untrack('customers')");
            run("insert into customers (name) select 'Customer ' || n from generate_series(1, 20) n");
            run("select sync.track('customers')");
            stripe.dashboard().createCustomer(Map.of("name", "Another hub's", "metadata", Map.of("hub_id", "3", "hub", "another")));
            for (int id = 1; id <= 20; id++) {
                stripe.dashboard().createCustomer(Map.of("name", "Customer " + id, "metadata", Map.of("hub_id", Integer.toString(id), "hub", text("select sync.hub()"))));
            }
            stripe.dashboard().createCustomer(Map.of("name", "Stripe's own"));
            stripe.faults().only("GET", "/v1/customers").next(Fault.SERVER_ERROR, 2);
            run("update customers set phone = '+44' where id = 7");
            try (var application = start(kafka, stripe, "link")) {
                eventually().until(() -> text("select case when count(*) = 3 then string_agg(distinct mode || ' ' || state, ', ') end from sync.run"), "link done"::equals);
                eventually().until(() -> stripe.dashboard().customers().stream().filter(customer -> customer.path("phone").asText().equals("+44")).count() == 1);
                assertEquals(22, stripe.dashboard().customers().size());
                assertEquals("20", text("select count(*) from customers"));
                assertEquals("20", text("select count(*) from sync.link where external_id is not null"));
                assertEquals("0", text("select count(*) from sync.system where out_paused_at is not null"));

                stripe.dashboard().customers().stream().filter(customer -> customer.at("/metadata").has("hub_id")).limit(12)
                        .forEach(customer -> stripe.dashboard().deleteCustomer(customer.get("id").asText()));
                run("update sync.link set last_event_at = last_event_at - interval '1 minute'"); // who was seen just now counts as there
                run("update sync.integration set max_deletes = 10"); // what a person has confirmed is not asked for again
                var heal = text("select sync.reconcile('stripe', 'customers', 'heal')");
                eventually().until(() -> text("select state from sync.run where id = " + heal), "needs confirmation"::equals);
                assertEquals("21", text("select count(*) from customers"));
                assertTrue(text("select reason from sync.run where id = " + heal).startsWith("12 of 21 linked records would be deleted"));
                run("select sync.confirm(" + heal + ")");
                eventually().until(() -> text("select state from sync.run where id = " + heal), "done"::equals);
                assertEquals("9", text("select count(*) from customers"));
                assertEquals(10, stripe.dashboard().customers().size());
                assertEquals("0", text("select count(*) from customers where name like 'Another%'"));
                assertEquals("0", text("select count(*) from sync.failure"));
            }
        }
    }

    @Test
    void a_first_contact_ends_for_what_may_be_read_and_goes_on_with_the_rest_when_it_may() throws Exception {
        try (var kafka = SandboxKafka.startTemporary(); var stripe = StripeSimulator.start(StripeSimulator.Options.inMemory())) {
            var customer = text("insert into customers (name) values ('Ada') returning id");
            var invoice = text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
            var ada = stripe.dashboard().createCustomer(Map.of("name", "Ada", "metadata", Map.of("hub_id", customer, "hub", text("select sync.hub()")))).get("id").asText();
            var theirs = stripe.dashboard().createInvoice(Map.of("customer", ada, "currency", "eur", "lines", List.of(), "metadata", Map.of("hub_id", invoice, "hub", text("select sync.hub()")))).get("id").asText();
            stripe.access().limit("invoices", Level.NONE);
            try (var application = start(kafka, stripe, "link")) {
                eventually().until(() -> text("select string_agg(entity, ' ' order by entity) from sync.run where state = 'done'"), "customers products"::equals);
                eventually().until(() -> text("select count(*) from sync.system where out_paused_at is not null"), "0"::equals);
                var other = text("insert into customers (name) values ('Bob') returning id");
                var second = text("insert into invoices (customer_id, currency) values (" + other + ", 'EUR') returning id");
                eventually().until(() -> stripe.dashboard().customers().size() == 2);
                eventually().until(() -> text("select count(*) from sync.link where entity = 'invoices' and parked_at is not null and record_id = '" + second + "'"), "1"::equals);
                assertTrue(text("select reason from sync.run where entity = 'invoices' and state = 'waiting'").contains("rak_invoice_read"));

                stripe.access().clear();
                run("select sync.resume('stripe')");
                eventually().until(() -> text("select count(*) from sync.link where entity = 'invoices' and external_id is not null"), "2"::equals);
                assertEquals(theirs, text("select external_id from sync.link where entity = 'invoices' and record_id = '" + invoice + "'"));
                assertEquals(2, stripe.dashboard().invoices().size());
                assertEquals("0", text("select count(*) from sync.status() where metric in ('stopped', 'paused')"));
            }
        }
    }

    /** What the mapping of one object keeps for itself is not taken for what the list says. */
    @Test
    void a_list_is_read_to_its_end_whatever_is_in_it() throws Exception {
        try (var kafka = SandboxKafka.startTemporary(); var stripe = StripeSimulator.start(StripeSimulator.Options.inMemory());
                var application = start(kafka, stripe, "off")) {
            var customer = stripe.dashboard().createCustomer(Map.of("name", "Ada")).get("id").asText();
            for (int i = 1; i <= 101; i++) {
                stripe.dashboard().createInvoice(Map.of("customer", customer, "currency", "eur",
                        "lines", List.of(Map.of("description", "a line", "quantity", 1, "unit_amount", i))));
            }
            run("select sync.reconcile('stripe', 'customers', 'heal'), sync.reconcile('stripe', 'invoices', 'heal')");
            eventually().until(() -> text("select count(*) from sync.run where state = 'done'"), "2"::equals);
            eventually().until(() -> text("select count(*) from invoices"), "101"::equals); // some wait for the customer, whom the other run finds
        }
    }

    private TestApplication start(SandboxKafka kafka, StripeSimulator stripe, String firstContact) throws Exception {
        return TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .with("stripe.api-base", stripe.baseUrl().toString())
                .with("postgres.pool-size", "8")
                .with("kafka.consumers", "1")
                .with("retry.interval", "200")
                .with("reconcile.interval", "100")
                .with("reconcile.first-contact", firstContact)
                .start();
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofMinutes(1)).pollInterval(Duration.ofMillis(50));
    }

    private void run(String statement) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            sql.run(statement);
        }
    }

    private String text(String query) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            return sql.text(query);
        }
    }
}
