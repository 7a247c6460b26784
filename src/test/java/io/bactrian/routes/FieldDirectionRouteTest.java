package io.bactrian.routes;

import static io.bactrian.routes.StripeScene.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.sandbox.stripe.ApiCall;
import java.sql.SQLException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose a field is, what counts as agreed, and what becomes of a value that Stripe holds only in part. */
class FieldDirectionRouteTest {

    private static StripeScene scene;

    @BeforeAll
    static void start() throws Exception {
        scene = new StripeScene(settings -> settings.with("stripe.timezone", "America/Los_Angeles"));
    }

    @AfterAll
    static void stop() throws Exception {
        scene.close();
    }

    @BeforeEach
    void begin() throws SQLException {
        scene.begin();
    }

    // Fields that are Stripe's, and those that are so at times.

    @Test
    void the_number_of_a_draft_goes_to_stripe_and_is_the_final_one() throws Exception {
        var id = invoice("number", "'2026-0042'");
        scene.awaitEqual();
        assertEquals("2026-0042", there(id).get("number").asText());
        scene.dashboard().finalizeInvoice(scene.linked("invoices", id));
        scene.awaitText("open 2026-0042", "select status || ' ' || number from invoices where id = " + id);
        assertEquals(List.of(), conflicts("invoices", id));
    }

    @Test
    void an_invoice_that_is_made_open_has_its_own_number() throws Exception {
        var id = invoice("number, status", "'2026-0043', 'open'");
        scene.awaitEqual();
        assertEquals("open 2026-0043", there(id).get("status").asText() + " " + there(id).get("number").asText());
    }

    /** The number goes out before the step that makes it final. */
    @Test
    void a_number_that_is_written_while_the_invoice_is_opened_goes_out_first() throws Exception {
        var id = invoice("memo", "'soon'");
        scene.awaitEqual();
        scene.run("update invoices set status = 'open', number = '2026-0044' where id = " + id);
        scene.awaitEqual();
        assertEquals("open 2026-0044", there(id).get("status").asText() + " " + there(id).get("number").asText());
        assertEquals(List.of(), conflicts("invoices", id));
    }

    @Test
    void the_number_of_a_final_invoice_is_put_back_and_the_edit_is_kept() throws Exception {
        var id = invoice("status", "'open'");
        scene.awaitEqual();
        var number = there(id).get("number").asText();
        scene.stripe().clearApiCalls();
        scene.run("update invoices set number = 'mine' where id = " + id);
        scene.awaitText(number, "select number from invoices where id = " + id + " and number <> 'mine'");
        scene.awaitEqual();
        assertEquals(List.of("number: \"" + number + "\" > \"mine\" | \"" + number + "\", remote"), conflicts("invoices", id));
        assertEquals(0, writes(), "nothing was sent");
    }

    /** The two meet: it is finalized there before the number from here arrives. */
    @Test
    void a_number_that_comes_too_late_stands_in_a_conflict() throws Exception {
        var id = invoice("memo", "'late'");
        scene.awaitEqual();
        scene.run("select sync.pause('stripe', 'out')", "update invoices set number = 'too late' where id = " + id);
        scene.dashboard().finalizeInvoice(scene.linked("invoices", id));
        scene.run("select sync.resume('stripe', 'out')");
        scene.awaitEqual();
        assertEquals(there(id).get("number").asText(), scene.text("select number from invoices where id = " + id));
        assertEquals(List.of("number: null > \"too late\" | " + there(id).get("number") + ", remote"), conflicts("invoices", id));
    }

    @Test
    void a_number_that_another_invoice_has_is_refused_in_words() throws Exception {
        var one = invoice("number", "'2026-0050'");
        scene.awaitEqual();
        var other = invoice("number", "'2026-0050'");
        var reason = scene.refusal("invoices", other);
        assertTrue(reason.contains("number"), reason);
        scene.run("update invoices set number = '2026-0051' where id = " + other);
        scene.awaitEqual();
        assertEquals("2026-0050 2026-0051", there(one).get("number").asText() + " " + there(other).get("number").asText());
    }

    @Test
    void an_amount_paid_that_is_edited_here_is_put_back_and_kept() throws Exception {
        var id = invoice("status", "'open'");
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.run("update invoices set amount_paid = 500 where id = " + id);
        scene.awaitText("0", "select amount_paid from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals(List.of("amount_paid: 0 > 500 | 0, remote"), conflicts("invoices", id));
        assertEquals(0, writes(), "nothing was sent");
        scene.dashboard().payInvoice(scene.linked("invoices", id));
        scene.awaitText("paid 1000", "select status || ' ' || amount_paid from invoices where id = " + id);
    }

    @Test
    void an_edit_that_the_table_does_not_let_us_put_back_is_a_failure_that_says_so() throws Exception {
        var id = invoice("memo", "'x'");
        scene.awaitEqual();
        scene.run("alter table invoices add constraint invoices_paid check (amount_paid > 0) not valid");
        try {
            scene.run("update invoices set amount_paid = 500 where id = " + id);
            var reason = scene.refusal("invoices", id);
            assertTrue(reason.contains("\"invoices_paid\"") && reason.contains("select sync.retry('stripe', 'invoices', '" + id + "')"), reason);
        } finally {
            scene.run("alter table invoices drop constraint invoices_paid");
        }
        scene.run("select sync.retry('stripe', 'invoices', '" + id + "')");
        scene.awaitText("0", "select amount_paid from invoices where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void an_amount_paid_that_is_inserted_here_is_what_stripe_says_once_it_is_there() throws Exception {
        var id = invoice("amount_paid", "500");
        scene.linked("invoices", id);
        scene.awaitText("0", "select amount_paid from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals(List.of("amount_paid: 0 > 500 | 0, remote"), conflicts("invoices", id));
    }

    /** What is put back is the field, not the row: another column's edit of the same statement goes out. */
    @Test
    void an_edit_beside_it_goes_out() throws Exception {
        var id = invoice("memo", "'before'");
        scene.awaitEqual();
        scene.run("update invoices set amount_paid = 7, memo = 'after' where id = " + id);
        scene.awaitText("0", "select amount_paid from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals("after", there(id).get("description").asText());
        assertEquals(List.of("amount_paid: 0 > 7 | 0, remote"), conflicts("invoices", id));
    }

    // Days.

    /** The end of a day in Los Angeles is the next day in UTC; clocks go back there on 1 November 2026. */
    @ParameterizedTest
    @CsvSource({"2026-12-31, 2027-01-01T07:59:59Z", "2026-07-01, 2026-07-02T06:59:59Z", "2026-11-01, 2026-11-02T07:59:59Z"})
    void a_due_date_is_a_day_of_the_accounts_time_zone_in_both_directions(String day, String end) throws Exception {
        var id = invoice("due_date", "'" + day + "'");
        scene.linked("invoices", id);
        scene.awaitNothing();
        assertEquals(Instant.parse(end).getEpochSecond(), there(id).get("due_date").asLong());
        scene.dashboard().updateInvoice(scene.linked("invoices", id), Map.of("due_date", LocalDate.parse(day).atStartOfDay(ZoneId.of("America/Los_Angeles")).toEpochSecond() - 1));
        scene.awaitText(LocalDate.parse(day).minusDays(1).toString(), "select due_date from invoices where id = " + id);
        scene.awaitNothing();
    }

    // What is too long for Stripe.

    @Test
    void a_customer_with_a_long_phone_number_is_billed() throws Exception {
        var phone = "+1 (780) 459-5656 ext. 725";
        var customer = scene.text("insert into customers (name, phone) values ('Ext', '" + phone + "') returning id");
        var id = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'USD') returning id");
        scene.linked("invoices", id);
        scene.awaitNothing();
        assertTrue(phone.startsWith(customer(customer).get("phone").asText()));
        assertEquals(phone, scene.text("select phone from customers where id = " + customer));
        assertEquals(List.of(), scene.texts("select reason from sync.failure"));
    }

    /** Stripe counts characters, not what UTF-16 makes of them, and half of one is none. */
    @Test
    void what_is_cut_is_cut_between_characters() throws Exception {
        var customer = scene.text("insert into customers (name) values ('x' || repeat('\uD83D\uDC2A', 300)) returning id");
        scene.linked("customers", customer);
        scene.awaitNothing();
        var name = customer(customer).get("name").asText();
        assertEquals("x" + "\uD83D\uDC2A".repeat(name.codePointCount(0, name.length()) - 1), name);
        assertEquals("301", scene.text("select length(name) from customers where id = " + customer));
    }

    @ParameterizedTest
    @ValueSource(strings = {"description", "phone", "name"})
    void what_was_cut_is_kept_when_the_part_is_edited_there(String field) throws Exception {
        var full = "1".repeat(1000) + " THE END";
        var customer = scene.text("insert into customers (" + field + ") values ('" + full + "') returning id");
        scene.linked("customers", customer);
        scene.awaitNothing();
        scene.dashboard().updateCustomer(scene.linked("customers", customer), Map.of(field, "222"));
        scene.awaitText("222", "select " + field + " from customers where id = " + customer);
        assertEquals(full, scene.text("select local #>> '{}' from sync.conflict where entity = 'customers' and record_id = '" + customer + "'"));
        scene.awaitNothing();
        assertEquals("222", customer(customer).get(field).asText());
    }

    @Test
    void an_edit_of_what_both_hold_in_full_is_no_conflict() throws Exception {
        var customer = scene.text("insert into customers (name, phone, description) values ('Full', '1', '') returning id");
        scene.linked("customers", customer);
        scene.awaitNothing();
        scene.dashboard().updateCustomer(scene.linked("customers", customer), Map.of("name", "Full name", "phone", "12", "description", "told"));
        scene.awaitText("Full name 12 told", "select concat_ws(' ', name, phone, description) from customers where id = " + customer);
        scene.awaitNothing();
        assertEquals(List.of(), conflicts("customers", customer));
    }

    @Test
    void of_an_address_what_stripe_does_not_know_stays() throws Exception {
        var customer = scene.text("insert into customers (name, address) values ('Ada', '{\"city\":\"London\",\"line1\":\"1 High St\",\"door\":\"3\"}') returning id");
        scene.linked("customers", customer);
        scene.awaitNothing();
        scene.dashboard().updateCustomer(scene.linked("customers", customer), Map.of("address", Map.of("city", "Leeds", "line1", "1 High St")));
        scene.awaitText("Leeds 3", "select concat_ws(' ', address ->> 'city', address ->> 'door') from customers where id = " + customer);
        scene.awaitNothing();
        assertEquals(List.of(), conflicts("customers", customer));
    }

    @Test
    void a_line_that_stripe_rounds_in_its_own_way_is_worth_what_it_says() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var id = scene.text("insert into invoices (customer_id, currency, status) values (" + customer + ", 'BHD', 'draft') returning id");
        scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'by the yard', 1.5, 30)");
        scene.awaitNothing();
        scene.run("update invoices set status = 'open' where id = " + id);
        scene.awaitNothing();
        assertEquals("50 50 50", scene.text("select concat_ws(' ', i.total, i.amount_due, t.amount) from invoices i join invoice_items t on t.invoice_id = i.id where i.id = " + id));
        assertEquals("0", scene.text("select count(*) from sync.failure"));
    }

    @Test
    void small_and_large_quantities_go_out_digit_by_digit() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var id = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
        scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'a', 0.0005, 100000), (" + id + ", 'b', 12345678.5, 1), ("
                + id + ", 'c', 0.0000001, 99999999)");
        scene.awaitNothing();
        assertEquals("0", scene.text("select count(*) from sync.failure"));
        assertEquals(Set.of("0.0005", "12345678.5", "0.0000001"), StreamSupport.stream(scene.dashboard().invoice(scene.linked("invoices", id)).at("/lines/data").spliterator(), false)
                .map(line -> line.get("quantity_decimal").asText()).collect(Collectors.toSet()));
    }

    @Test
    void what_only_stripe_can_tell_of_a_draft_is_no_difference() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var id = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
        scene.run("insert into invoice_items (invoice_id, description, unit_amount) values (" + id + ", 'a', 100)");
        scene.awaitEqual();
        var run = scene.text("select sync.reconcile('stripe', 'invoices', 'diff')");
        scene.awaitText("done", "select state from sync.run where id = " + run);
        assertEquals(List.of(), scene.texts("select field from sync.difference where run_id = " + run + " and record_id = '" + id + "'"));
    }

    @Test
    void the_quantity_of_a_line_that_stripe_reckons_is_refused() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var id = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
        scene.run("insert into invoice_items (invoice_id, description, quantity, amount) values (" + id + ", 'by the yard', 3, 700)");
        assertTrue(scene.refusal("invoices", id).contains("give it a unit_amount, or the quantity 1"));
        scene.run("update invoice_items set quantity = 1 where invoice_id = " + id);
        scene.awaitNothing();
        assertEquals("0", scene.text("select count(*) from sync.failure"));
        scene.run("update invoice_items set quantity = 24 where invoice_id = " + id);
        assertTrue(scene.refusal("invoices", id).contains("Stripe reckons what this line is worth"));
        scene.run("update invoice_items set quantity = 1, amount = 800 where invoice_id = " + id);
        scene.awaitNothing();
        assertEquals("0", scene.text("select count(*) from sync.failure"));
        assertEquals(800, scene.dashboard().invoice(scene.linked("invoices", id)).get("total").asInt());
    }

    @Test
    void of_a_line_only_what_was_changed_there_comes_back() throws Exception {
        var product = scene.text("insert into products (name) values ('Refundable') returning id");
        var id = scene.text("insert into invoices (customer_id, currency) values (" + scene.text("insert into customers (name) values ('Line') returning id")
                + ", 'EUR') returning id");
        scene.run("insert into invoice_items (invoice_id, product_id, description, unit_amount) values (" + id + ", " + product + ", repeat('y', 600), -500)");
        var line = eventually().until(() -> there(id).at("/lines/data/0/parent/invoice_item_details/invoice_item").asText(), text -> !text.isEmpty());
        scene.awaitNothing();
        scene.dashboard().updateLine(line, Map.of("quantity", 2));
        scene.awaitText(product + " 600 2 -500", "select concat_ws(' ', product_id, length(description), quantity, unit_amount) from invoice_items where invoice_id = " + id);
        scene.awaitNothing();
        assertEquals(List.of(), conflicts("invoices", id));

        scene.dashboard().updateLine(line, Map.of("description", "mended"));
        scene.awaitText(product + " mended 2", "select concat_ws(' ', product_id, description, quantity) from invoice_items where invoice_id = " + id);
        assertEquals("600", scene.text("select length(local ->> 'description') from sync.conflict where entity = 'invoices' and record_id = '" + id + "'"));
    }

    private static String invoice(String columns, String values) throws SQLException {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        return scene.text("with i as (insert into invoices (customer_id, currency, " + columns + ") values (" + customer + ", 'EUR', " + values
                + ") returning id) insert into invoice_items (invoice_id, description, unit_amount) select id, 'x', 1000 from i returning invoice_id");
    }

    private static JsonNode there(String invoice) {
        return scene.dashboard().invoice(scene.linked("invoices", invoice));
    }

    private static JsonNode customer(String id) {
        return scene.dashboard().customer(scene.linked("customers", id));
    }

    private static long writes() {
        return scene.stripe().apiCalls().stream().filter(ApiCall::wrote).count();
    }

    private static List<String> conflicts(String entity, String id) {
        return scene.texts("select format('%s: %s > %s | %s, %s', field, coalesce(base, 'null'), local, remote, winner) from sync.conflict where entity = '" + entity
                + "' and record_id = '" + id + "' order by field, id");
    }
}
