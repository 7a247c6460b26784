package io.bactrian.routes;

import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.bactrian.TestApplication;
import io.bactrian.TestServices;
import io.bactrian.sandbox.SandboxKafka;
import io.bactrian.sync.Sql;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.awaitility.core.ConditionFactory;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class InvoiceTotalsRouteTest {

    private static TestServices.Database database;
    private static SandboxKafka kafka;
    private static TestApplication application;

    @BeforeAll
    static void start() throws Exception {
        database = TestServices.database();
        kafka = SandboxKafka.startTemporary();
        run("insert into invoices (id, currency, total) overriding system value values (999, 'EUR', 42)");
        run("delete from sync.outbox");
        application = TestApplication.builder().postgres(database.jdbcUrl()).kafka(kafka)
                .routes("capture", "invoice-totals", "templates/subscriber")
                .with("camel.beans.dataSource.connection-timeout", "500")
                .with("capture.batch-bytes", "20000")
                .start();
    }

    @AfterAll
    static void stop() throws Exception {
        try (var lastKafka = kafka; var first = application) {
            // Closed, in the opposite order.
        }
    }

    @Test
    void totals_that_were_wrong_before_the_start_are_healed() {
        awaitTotal(999, 0);
    }

    @Test
    void a_total_follows_its_items_however_they_change() throws Exception {
        var one = invoice();
        var other = invoice();
        run("insert into invoice_items (invoice_id, quantity, unit_amount) values (" + one + ", 2, 1000), (" + one + ", 1, -500), (" + other + ", 3, 7)");
        awaitTotal(one, 1500);
        awaitTotal(other, 21);
        run("update invoice_items set quantity = 5 where unit_amount = 1000 and invoice_id = " + one);
        awaitTotal(one, 4500);
        run("update invoice_items set invoice_id = " + other + " where unit_amount = 1000 and invoice_id = " + one);
        awaitTotal(one, -500);
        awaitTotal(other, 5021);
        run("delete from invoice_items where unit_amount = 7 and invoice_id = " + other);
        awaitTotal(other, 5000);
        run("delete from invoices where id = " + other);
        run("delete from invoice_items where invoice_id = " + one);
        awaitTotal(one, 0);
    }

    @Test
    void a_draft_is_the_sum_of_its_items_whatever_its_amount_due_says() throws Exception {
        var id = invoice();
        run("update invoices set amount_due = 5 where id = " + id);
        run("insert into invoice_items (invoice_id, unit_amount) values (" + id + ", 300)");
        awaitTotal(id, 300);
    }

    @Test
    void an_item_without_a_price_needs_an_amount() throws Exception {
        var id = invoice();
        assertThrows(SQLException.class, () -> run("insert into invoice_items (invoice_id, quantity) values (" + id + ", 3)"));
        run("insert into invoice_items (invoice_id, quantity, amount) values (" + id + ", 3, 700)");
        awaitTotal(id, 700);
    }

    @Test
    void a_total_that_somebody_set_is_put_right_and_that_is_the_end_of_it() throws Exception {
        var id = invoice();
        run("insert into invoice_items (invoice_id, unit_amount) values (" + id + ", 300)");
        awaitTotal(id, 300);
        var edited = text("select updated_at from invoices where id = " + id);
        run("update invoices set total = 1 where id = " + id);
        awaitTotal(id, 300);
        assertEquals(edited, text("select updated_at from invoices where id = " + id));
        try (var changes = new Topic(kafka, "changes.invoices")) {
            // inserted, set by us, by somebody, by us
            await().during(Duration.ofMillis(500)).atMost(Duration.ofSeconds(20)).until(() -> changes.of(id).stream().filter(change -> !Topic.header(change, "op").equals("r")).count() == 4 && text("select count(*) from sync.outbox").equals("0"));
        }
    }

    @Test
    void a_change_too_large_to_travel_counts_too() throws Exception {
        var id = invoice();
        run("insert into invoice_items (invoice_id, unit_amount, description) values (" + id + ", 300, repeat('x', 30000))");
        awaitTotal(id, 300);
    }

    @Test
    void what_is_no_change_stops_nothing() throws Exception {
        var id = invoice();
        awaitTotal(id, 0);
        try (var producer = new KafkaProducer<>(Map.of("bootstrap.servers", kafka.bootstrap()), new StringSerializer(), new StringSerializer())) {
            for (int partition = 0; partition < 6; partition++) {
                for (var message : new String[] {null, "", "garbage", "[]", "42", "{}", "{\"after\": 7}", "{\"after\": {\"invoice_id\": \"x\"}}",
                        "{\"after\": {\"invoice_id\": 99999999999999999999999}}", "{\"after\": {\"invoice_id\": 123456789}}"}) {
                    producer.send(new ProducerRecord<>("changes.invoice_items", partition, "1", message)).get();
                }
            }
        }
        for (int i = 1; i <= 12; i++) {
            run("insert into invoice_items (invoice_id, unit_amount) values (" + id + ", 1)");
        }
        awaitTotal(id, 12);
    }

    @Test
    void one_whose_items_are_too_much_for_a_total_stops_no_other() throws Exception {
        var big = invoice();
        var id = invoice();
        for (int i = 0; i < 3; i++) {
            run("insert into invoice_items (invoice_id, quantity, unit_amount) values (" + big + ", 5000000, 999999999999)");
        }
        run("insert into invoice_items (invoice_id, unit_amount) values (" + id + ", 1)");
        awaitTotal(id, 1);
        run("update invoices set total = 5 where id = " + id);
        run("call refresh_invoice_totals()");
        run("delete from invoices where id = " + big);
    }

    @Test
    void of_callers_and_people_who_lock_several_invoices_nobody_is_in_a_deadlock() throws Exception {
        var one = invoice();
        var other = invoice();
        try (var person = Sql.open(database.dataSource()); var caller = Sql.open(database.dataSource())) {
            person.connection().setAutoCommit(false);
            person.run("update invoices set memo = 'a' where id = " + other);
            var call = call(caller, one, other);
            eventually().until(() -> waits("call refresh_invoice_totals(''{"));
            person.run("update invoices set memo = 'a' where id = " + one);
            person.connection().commit();
            call.join();
        }
    }

    @Test
    void of_two_callers_at_once_the_later_one_adds_up_anew() throws Exception {
        var id = invoice();
        awaitTotal(id, 0);
        application.stopRoute("invoice-totals");
        try (var first = Sql.open(database.dataSource()); var caller = Sql.open(database.dataSource())) {
            first.connection().setAutoCommit(false);
            first.run("update invoices set total = 3 where id = " + id);
            var call = call(caller, id);
            eventually().until(() -> waits("call refresh_invoice_totals(''{"));
            run("insert into invoice_items (invoice_id, unit_amount) values (" + id + ", 8)");
            first.connection().commit();
            call.join();
            assertEquals("8", text("select total from invoices where id = " + id));
        } finally {
            application.startRoute("invoice-totals");
        }
    }

    @Test
    void a_change_waits_for_whoever_has_its_invoice_locked() throws Exception {
        var id = invoice();
        awaitTotal(id, 0);
        try (var somebody = Sql.open(database.dataSource())) {
            somebody.connection().setAutoCommit(false);
            somebody.run("select from invoices where id = " + id + " for no key update");
            run("insert into invoice_items (invoice_id, unit_amount) values (" + id + ", 5)");
            eventually().until(() -> waits("call refresh_invoice_totals($"));
            somebody.connection().commit();
        }
        awaitTotal(id, 5);
    }

    private static CompletableFuture<Void> call(Sql caller, Long... invoices) {
        return CompletableFuture.runAsync(() -> {
            try {
                caller.run("call refresh_invoice_totals('{" + Arrays.stream(invoices).map(Object::toString).collect(Collectors.joining(",")) + "}')");
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    private static ConditionFactory eventually() {
        return await().atMost(Duration.ofSeconds(20)).pollInterval(Duration.ofMillis(20));
    }

    private static void awaitTotal(long invoice, long total) {
        eventually().until(() -> text("select total from invoices where id = " + invoice), Long.toString(total)::equals);
    }

    /** Whether a session waits for a lock in a statement that begins so. */
    private static boolean waits(String statement) throws SQLException {
        return !text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and starts_with(query, '" + statement + "')")
                .equals("0");
    }

    private static long invoice() throws SQLException {
        return Long.parseLong(text("insert into invoices (currency) values ('EUR') returning id"));
    }

    private static void run(String statement) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            sql.run(statement);
        }
    }

    private static String text(String query) throws SQLException {
        try (var sql = Sql.open(database.dataSource())) {
            return sql.text(query);
        }
    }
}
