package io.bactrian.routes;

import static io.bactrian.routes.StripeScene.eventually;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.bactrian.sandbox.stripe.Fault;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Invoices with their items between Postgres and Stripe. */
class StripeInvoicesRouteTest {

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
    void begin() throws SQLException {
        scene.begin();
    }

    @Test
    void a_draft_with_items_becomes_a_draft_with_lines_and_its_customer_first() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var product = scene.text("insert into products (name, unit_amount, currency) values ('Saddle', 9900, 'EUR') returning id");
        var id = scene.text("insert into invoices (customer_id, currency, memo, due_date) values (" + customer + ", 'EUR', 'thank you', '2031-05-06') returning id");
        scene.run("insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount) values"
                + " (" + id + ", " + product + ", 'a saddle', 2, 9900), (" + id + ", null, 'a rope', 3, 250), (" + id + ", null, 'a discount', 1, -100)");
        scene.awaitEqual();
        var invoice = invoice(id);
        assertEquals("draft", invoice.get("status").asText());
        assertEquals(2 * 9900 + 3 * 250 - 100, invoice.get("total").asLong());
        assertEquals("thank you", invoice.get("description").asText());
        assertEquals(id, invoice.at("/metadata/hub_id").asText());
        assertEquals(scene.linked("customers", customer), invoice.get("customer").asText());
        assertEquals(scene.linked("products", product), line(invoice, "a saddle").at("/pricing/price_details/product").asText());
        assertEquals(scene.text("select id from invoice_items where description = 'a rope' and invoice_id = " + id),
                line(invoice, "a rope").at("/metadata/hub_id").asText());
    }

    @Test
    void a_customer_that_stripe_refuses_keeps_its_invoices_waiting_until_it_is_mended() throws Exception {
        var customer = scene.text("insert into customers (name, email) values ('Ada', 'no address') returning id");
        var id = scene.text("insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id");
        scene.awaitText("reference", "select code from sync.failure where entity = 'invoices' and record_id = '" + id + "'");
        scene.run("update customers set email = 'ada@example.com' where id = " + customer);
        scene.linked("invoices", id);
        scene.awaitEqual();
    }

    @Test
    void items_of_a_draft_are_added_changed_removed_and_moved() throws Exception {
        var one = synced("'one', 2, 100", "'two', 1, 200", "'three', 1, 300");
        var other = synced("'four', 1, 400");
        scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + one + ", 'five', 1, 500)",
                "update invoice_items set quantity = 3, unit_amount = 150, description = 'one and more' where description = 'one' and invoice_id = " + one,
                "delete from invoice_items where description = 'two' and invoice_id = " + one,
                "update invoice_items set invoice_id = " + other + " where description = 'three' and invoice_id = " + one);
        scene.awaitEqual();
        assertEquals(Set.of("one and more", "five"), descriptions(invoice(one)));
        assertEquals(450 + 500, invoice(one).get("total").asLong());
        assertEquals(Set.of("four", "three"), descriptions(invoice(other)));

        scene.run("update invoice_items set invoice_id = " + one + " where description = 'three' and invoice_id = " + other);
        scene.awaitEqual();
        assertEquals(Set.of("one and more", "five", "three"), descriptions(invoice(one)));
    }

    /** A line can be in one invoice of Stripe's at a time, so each move waits for the one before. */
    @Test
    void an_item_that_is_moved_to_and_fro_ends_where_it_was_put_last() throws Exception {
        scene.stripe().faults().latency(100, 0);
        for (int pause : new int[] {20, 60, 120}) {
            var one = synced("'wanderer', 1, 1000");
            var other = draft();
            scene.linked("invoices", other);
            var item = scene.text("select id from invoice_items where invoice_id = " + one);
            var moved = scene.text("select count(*) from invoice_items");
            for (int i = 2; i <= 6; i++) {
                scene.run("update invoice_items set invoice_id = " + (i % 2 == 0 ? other : one) + ", quantity = " + i + " where id = " + item,
                        "select pg_sleep(0." + String.format("%03d", pause) + ")");
            }
            scene.awaitEqual();
            assertEquals(moved, scene.text("select count(*) from invoice_items"));
            assertEquals(0, lines(invoice(one)).size());
            assertEquals(List.of(6L), lines(invoice(other)).stream().map(line -> line.get("quantity").asLong()).toList());
        }
    }

    @Test
    void an_item_of_an_invoice_that_is_paid_there_and_deleted_here_is_made_anew_in_another() throws Exception {
        var paid = opened("'wanderer', 1, 100");
        scene.dashboard().payInvoice(scene.linked("invoices", paid));
        scene.awaitText("paid", "select status from invoices where id = " + paid);
        var other = draft();
        scene.linked("invoices", other);
        scene.awaitEqual();
        scene.run("update invoice_items set invoice_id = " + other + " where invoice_id = " + paid, "delete from invoices where id = " + paid);
        scene.refusal("invoices", paid);
        eventually().until(() -> descriptions(invoice(other)).equals(Set.of("wanderer")));
        scene.run("select sync.dismiss('stripe', 'invoices', '" + paid + "')");
        scene.awaitEqual();
    }

    /** Whoever gives ids by hand may be ahead of the sequence. */
    @Test
    void a_line_made_in_the_dashboard_takes_no_id_that_a_row_has() throws Exception {
        var one = synced("'one', 1, 1");
        var other = synced("'other', 1, 1");
        var taken = scene.text("insert into invoice_items (id, invoice_id, description, quantity, unit_amount)"
                + " select nextval(pg_get_serial_sequence('invoice_items', 'id')) + 1, " + one + ", 'by hand', 3, 111 returning id");
        scene.awaitEqual();
        scene.dashboard().addLine(scene.linked("invoices", other), Map.of("description", "there", "quantity", 1, "unit_amount", 7));
        scene.awaitText("2", "select count(*) from invoice_items where invoice_id = " + other);
        scene.run("update invoice_items set quantity = 4 where id = " + taken);
        scene.awaitEqual();
        assertEquals(4, line(invoice(one), "by hand").get("quantity").asLong());
    }

    /** What is final in Stripe keeps it, and that is no failure: nobody could take the deletion back. */
    @ParameterizedTest
    @CsvSource({"draft, draft, 100, false", "draft, open, 100, false", "open, open, 100, true", "open, open, -100, false"})
    void a_product_that_is_deleted_leaves_the_lines_of_drafts(String before, String with, int amount, boolean keeps) throws Exception {
        var product = scene.text("insert into products (name, unit_amount, currency) values ('Saddle', 100, 'EUR') returning id");
        scene.linked("products", product);
        var id = draft();
        scene.run("insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount) values (" + id + ", " + product + ", 'a saddle', 1, " + amount + ")",
                "insert into invoice_items (invoice_id, description, unit_amount) values (" + id + ", 'a camel', 500)");
        scene.linked("invoices", id);
        scene.awaitEqual();
        setStatus(id, before);
        scene.awaitEqual();
        scene.run("delete from products where id = " + product, "update invoices set status = '" + with + "' where id = " + id);
        scene.awaitEqual();
        assertEquals(with, invoice(id).get("status").asText());
        assertEquals(keeps, line(invoice(id), "a saddle").at("/pricing/price_details/product").isTextual());
    }

    @Test
    void a_product_that_is_gone_there_before_its_line_is_sent_leaves_the_line() throws Exception {
        var product = scene.text("insert into products (name, unit_amount, currency) values ('Saddle', 100, 'EUR') returning id");
        scene.linked("products", product);
        var id = draft();
        scene.run("insert into invoice_items (invoice_id, product_id, description, quantity, unit_amount) values (" + id + ", " + product + ", 'a saddle', 1, 100)");
        scene.linked("invoices", id);
        scene.awaitEqual();
        try (var other = scene.transaction()) {
            other.run("select from sync.link where entity = 'invoices' and record_id = '" + id + "' for update"); // its worker waits
            scene.run("delete from products where id = " + product);
            scene.awaitText("true", "select deleted_at is not null from sync.link where entity = 'products' and record_id = '" + product + "'");
        }
        eventually().until(() -> !line(invoice(id), "a saddle").at("/pricing/price_details/product").isTextual());
        scene.awaitEqual();
    }

    @Test
    void a_customer_that_was_taken_away_here_can_be_given_back() throws Exception {
        var id = synced("'one', 2, 100");
        var customer = scene.text("select customer_id from invoices where id = " + id);
        scene.run("update invoices set customer_id = null where id = " + id);
        scene.awaitNothing();
        scene.run("update invoices set customer_id = " + customer + ", memo = 'back' where id = " + id);
        scene.awaitEqual();
        assertEquals("back", invoice(id).get("description").asText());
    }

    @Test
    void a_change_of_one_item_is_one_call_and_no_echo_comes_of_it() throws Exception {
        var id = synced("'one', 2, 100", "'two', 1, 200");
        scene.stripe().clearApiCalls();
        scene.run("update invoice_items set quantity = 5 where description = 'two' and invoice_id = " + id);
        scene.awaitEqual();
        assertEquals(1, scene.stripe().apiCalls().stream().filter(call -> call.method().equals("POST")).count(), () -> scene.stripe().apiCalls().toString());
    }

    @Test
    void memo_due_date_and_items_of_a_draft_follow() throws Exception {
        var id = synced("'one', 2, 100");
        scene.run("update invoices set memo = 'first', due_date = '2031-01-02' where id = " + id);
        scene.awaitEqual();
        assertEquals("first", invoice(id).get("description").asText());
        scene.run("update invoices set memo = null, due_date = '2031-02-03' where id = " + id);
        scene.awaitEqual();
        scene.run("update invoices set due_date = null where id = " + id);
        scene.awaitEqual();
        assertTrue(invoice(id).get("description").isNull());
    }

    @Test
    void open_finalizes_and_number_and_url_come_back_then_the_customer_pays() throws Exception {
        var id = synced("'one', 2, 100");
        setStatus(id, "open");
        scene.awaitText("true", "select number is not null and hosted_url like 'https://%' from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals("open", invoice(id).get("status").asText());
        var url = scene.text("select hosted_url from invoices where id = " + id);
        eventually().until(() -> !url.equals(invoice(id).get("hosted_invoice_url").asText())); // Stripe spells it anew each time
        scene.dashboard().payInvoice(scene.linked("invoices", id));
        scene.awaitText("paid 200", "select status || ' ' || amount_paid from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals(url, scene.text("select hosted_url from invoices where id = " + id));
    }

    @Test
    void a_new_row_that_is_open_already_goes_there_with_its_items() throws Exception {
        var id = draft("'one', 2, 100", "'two', 1, 5");
        setStatus(id, "open");
        scene.awaitText("true", "select number is not null from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals(205, invoice(id).get("total").asLong());
        assertEquals("open", invoice(id).get("status").asText());
    }

    @Test
    void paid_in_the_hub_is_paid_out_of_band() throws Exception {
        var id = opened("'one', 2, 100");
        scene.stripe().clearApiCalls();
        setStatus(id, "paid");
        scene.awaitText("200", "select amount_paid from invoices where id = " + id + " and status = 'paid'");
        scene.awaitEqual();
        assertEquals(List.of(Map.of("paid_out_of_band", "true")),
                scene.stripe().apiCalls().stream().filter(call -> call.path().endsWith("/pay")).map(call -> call.params()).toList());
    }

    @ParameterizedTest
    @CsvSource({"open, void", "open, uncollectible", "uncollectible, void", "uncollectible, paid", "draft, paid", "draft, void", "draft, uncollectible"})
    void each_step_of_an_invoices_life_is_taken_in_stripe(String from, String to) throws Exception {
        var id = synced("'one', 2, 100");
        if (!from.equals("draft")) {
            setStatus(id, from);
            scene.awaitEqual();
        }
        setStatus(id, to);
        scene.awaitEqual();
        assertEquals(to, invoice(id).get("status").asText());
        assertEquals(to, scene.text("select status from invoices where id = " + id));
        assertFalse(invoice(id).get("number").isNull());
    }

    @ParameterizedTest
    @CsvSource({"open, void", "open, uncollectible", "uncollectible, void", "uncollectible, paid", "draft, paid", "draft, open"})
    void each_step_taken_in_the_dashboard_arrives(String from, String to) throws Exception {
        var id = synced("'one', 2, 100");
        var externalId = scene.linked("invoices", id);
        if (!from.equals("draft")) {
            step(externalId, "open");
            if (!from.equals("open")) {
                step(externalId, from);
            }
        }
        step(externalId, to);
        scene.awaitText(to, "select status from invoices where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void deleting_a_draft_deletes_it_and_a_final_one_is_voided() throws Exception {
        var draft = synced("'one', 2, 100");
        var open = opened("'one', 2, 100");
        var draftThere = scene.linked("invoices", draft);
        var openThere = scene.linked("invoices", open);
        scene.run("delete from invoices where id in (" + draft + ", " + open + ")");
        scene.awaitEqual();
        assertTrue(scene.dashboard().invoices().stream().noneMatch(invoice -> invoice.get("id").asText().equals(draftThere)));
        assertEquals("void", scene.dashboard().invoice(openThere).get("status").asText());
        assertEquals("0", scene.text("select count(*) from invoices where id in (" + draft + ", " + open + ")"));
    }

    @Test
    void a_paid_invoice_that_is_deleted_here_stays_in_stripe_and_a_failure_says_so() throws Exception {
        var id = opened("'one', 2, 100");
        var externalId = scene.linked("invoices", id);
        scene.dashboard().payInvoice(externalId);
        scene.awaitText("paid", "select status from invoices where id = " + id);
        scene.awaitNothing();
        scene.run("delete from invoices where id = " + id);
        var dismissal = "select sync.dismiss('stripe', 'invoices', '" + id + "')";
        assertTrue(scene.refusal("invoices", id).endsWith(": it stays there. To leave it at that: " + dismissal), () -> scene.refusal("invoices", id));
        scene.awaitNothing();
        assertEquals(externalId + " stays in stripe, and is not synced any more", scene.text(dismissal));
        scene.awaitEqual();
        assertEquals("paid", scene.dashboard().invoice(externalId).get("status").asText());
    }

    @Test
    void a_draft_with_more_lines_than_an_event_shows_can_be_deleted_in_the_dashboard() throws Exception {
        var id = synced(IntStream.range(0, 12).mapToObj(i -> "'item " + i + "', 1, " + i).toArray(String[]::new));
        scene.stripe().faults().webhookDelay(0, 100).probability(Fault.WEBHOOK_SHUFFLED, 1);
        scene.dashboard().updateInvoice(scene.linked("invoices", id), Map.of("memo", "not for long"));
        scene.dashboard().deleteInvoice(scene.linked("invoices", id));
        scene.awaitText("0", "select count(*) from invoices where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_draft_whose_deletion_nobody_told_of_is_found_by_a_reconcile() throws Exception {
        var gone = synced("'one', 2, 100");
        synced("'another', 1, 100");
        scene.stripe().faults().probability(Fault.WEBHOOK_LOST, 1);
        scene.dashboard().deleteInvoice(scene.linked("invoices", gone));
        scene.stripe().faults().clear();
        scene.run("update sync.link set last_event_at = last_event_at - interval '1 minute' where entity = 'invoices'"); // who was seen just now counts as there
        scene.run("select sync.reconcile('stripe', 'invoices', 'heal')");
        scene.awaitText("0", "select count(*) from invoices where id = " + gone);
        scene.awaitText("0", "select count(*) from sync.run where state <> 'done'");
        scene.awaitEqual();
    }

    @Test
    void a_line_of_which_neither_answer_nor_event_came_is_looked_for_once_its_key_is_forgotten() throws Exception {
        var id = synced("'one', 2, 100");
        nobodyKnowsOf("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'made, nobody knows', 1, 7)",
                () -> descriptions(invoice(id)).contains("made, nobody knows"));
        scene.stripe().clearApiCalls();
        scene.run("select sync.resume('stripe', 'out')");
        scene.awaitEqual();
        assertEquals(Set.of("one", "made, nobody knows"), descriptions(invoice(id)));
        assertEquals(0, scene.stripe().apiCalls().stream().filter(call -> call.method().equals("POST")).count(), () -> scene.stripe().apiCalls().toString());
    }

    @Test
    void a_line_that_is_deleted_here_while_nobody_knows_whether_it_was_made_is_deleted_there() throws Exception {
        var id = synced("'one', 2, 100");
        nobodyKnowsOf("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'made, nobody knows', 1, 7)",
                () -> descriptions(invoice(id)).contains("made, nobody knows"));
        scene.run("delete from invoice_items where description = 'made, nobody knows' and invoice_id = " + id);
        scene.run("select sync.resume('stripe', 'out')");
        scene.awaitEqual();
        assertEquals(Set.of("one"), descriptions(invoice(id)));
    }

    @ParameterizedTest
    @CsvSource({"draft", "open"})
    void what_others_made_of_an_invoice_before_it_was_found_stands_or_is_kept(String status) throws Exception {
        var draft = synced("'one', 2, 100");
        var customer = scene.text("select customer_id from invoices where id = " + draft);
        var id = draft + "000";
        nobodyKnowsOf("insert into invoices (id, customer_id, currency, memo) values (" + id + ", " + customer + ", 'EUR', 'made, nobody knows')",
                () -> made(id) != null);
        var made = made(id);
        scene.stripe().faults().probability(Fault.WEBHOOK_LOST, 1);
        scene.dashboard().addLine(made, Map.of("description", "by hand", "quantity", 1, "unit_amount", 5));
        if (status.equals("open")) {
            scene.dashboard().finalizeInvoice(made);
        } else {
            scene.dashboard().updateInvoice(made, Map.of("memo", "by hand"));
        }
        scene.stripe().faults().clear();
        scene.run("select sync.resume('stripe', 'out')");
        scene.awaitEqual();
        assertEquals(Set.of("by hand"), descriptions(invoice(id)));
        assertEquals("made, nobody knows " + status, scene.text("select memo || ' ' || status from invoices where id = " + id));
        // Whether another memo is an edit, or Stripe's way to spell it, nobody knows.
        assertEquals(status.equals("open") ? List.of() : List.of("\"by hand\""),
                scene.texts("select remote from sync.conflict where entity = 'invoices' and record_id = '" + id + "'"));
    }

    /** Its object there is none of the lines that a call can change. */
    @Test
    void a_line_of_a_subscription_is_left_to_that() throws Exception {
        var id = synced("'one', 2, 100");
        scene.run("update sync.link set external_id = 'il_of_a_subscription' where entity = 'invoice_items'"
                + " and record_id = (select id::text from invoice_items where invoice_id = " + id + ")");
        scene.run("update invoice_items set quantity = 3 where invoice_id = " + id);
        assertTrue(scene.refusal("invoices", id).startsWith("Stripe changes a line of a subscription's invoice by the subscription only: take it back, or change that"));
        scene.run("update invoice_items set quantity = 2 where invoice_id = " + id);
        scene.awaitText("0", "select count(*) from sync.failure");
    }

    @Test
    void a_line_whose_object_was_never_agreed_on_and_is_gone_is_made() throws Exception {
        var id = synced("'one', 2, 100");
        scene.run("insert into invoice_items (id, invoice_id, description, quantity, unit_amount) values (" + id + "000, " + id + ", 'two', 1, 7)",
                "insert into sync.link (system, entity, record_id, external_id) values ('stripe', 'invoice_items', '" + id + "000', 'ii_gone')");
        scene.awaitEqual();
        assertEquals(Set.of("one", "two"), descriptions(invoice(id)));
    }

    @Test
    void an_invoice_of_a_customer_who_is_deleted_just_now_arrives() throws Exception {
        var id = scene.text("insert into customers (name) values ('Ada') returning id");
        var customer = scene.linked("customers", id);
        JsonNode invoice;
        try (var somebody = scene.transaction()) {
            somebody.run("delete from customers where id = " + id);
            invoice = scene.dashboard().createInvoice(Map.of("customer", customer, "currency", "eur"));
            scene.awaitText("true", "select exists (select from pg_locks where not granted)");
            somebody.run("commit");
        }
        var row = scene.record("invoices", invoice);
        scene.awaitText("true", "select customer_id is null from invoices where id = " + row);
        scene.awaitEqual();
    }

    /** Deleted and taken back, while nobody knows that it is gone there: our own deletion must not come back. */
    @ParameterizedTest
    @ValueSource(ints = {2, 7})
    void a_line_that_comes_back_while_its_deletion_is_of_unknown_outcome_is_made_anew(int quantity) throws Exception {
        var id = synced("'one', 2, 100", "'two', 1, 50");
        var item = scene.text("select id from invoice_items where description = 'one' and invoice_id = " + id);
        scene.stripe().faults().only("DELETE", null).next(Fault.HANG_AFTER_COMMIT, 1).probability(Fault.WEBHOOK_LOST, 1);
        scene.run("delete from invoice_items where id = " + item);
        eventually().until(() -> lines(invoice(id)).size() == 1);
        scene.run("insert into invoice_items (id, invoice_id, description, quantity, unit_amount) values (" + item + ", " + id + ", 'one', " + quantity + ", 100)");
        eventually().until(() -> lines(invoice(id)).size() == 2);
        scene.awaitEqual();
        assertEquals(Integer.toString(quantity), scene.text("select quantity from invoice_items where id = " + item));
    }

    @Test
    void a_line_that_moves_while_it_is_looked_for_is_not_made_in_both_invoices() throws Exception {
        var id = synced("'one', 2, 100");
        var other = synced("'other', 1, 1");
        nobodyKnowsOf("insert into invoice_items (invoice_id, description, unit_amount) values (" + id + ", 'moves', 5)", () -> lines(invoice(id)).size() == 2);
        scene.run("update invoice_items set invoice_id = " + other + " where description = 'moves' and invoice_id = " + id);
        scene.run("select sync.resume('stripe', 'out')");
        eventually().until(() -> descriptions(invoice(other)).equals(Set.of("other", "moves")));
        scene.awaitEqual();
        assertEquals(Set.of("one"), descriptions(invoice(id)));
        assertEquals("1 2", scene.text("select count(*) filter (where invoice_id = " + id + ") || ' ' || count(*) filter (where invoice_id = " + other + ")"
                + " from invoice_items"));
    }

    @Test
    void a_line_that_is_found_does_not_bring_stripes_spelling() throws Exception {
        var id = synced("'one', 2, 100");
        nobodyKnowsOf("insert into invoice_items (invoice_id, description, unit_amount) values (" + id + ", repeat('x', 800), 5)",
                () -> lines(invoice(id)).size() == 2);
        scene.run("select sync.resume('stripe', 'out')");
        scene.awaitText("0", "select count(*) from sync.link where entity = 'invoices' and (in_flight_op is not null or look_at is not null)");
        scene.awaitNothing();
        assertEquals("0", scene.text("select count(*) from sync.failure"));
        assertEquals("800", scene.text("select max(length(description)) from invoice_items where invoice_id = " + id));
        assertEquals(2, lines(invoice(id)).size());
    }

    /** A find, because what the create named is gone: what others edited meanwhile is no part of what we made. */
    @Test
    void an_invoice_that_was_edited_while_nobody_knew_of_it_and_whose_customer_is_gone_keeps_the_edit_on_record() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        scene.linked("customers", customer);
        scene.awaitNothing();
        scene.stripe().faults().only("POST", "/v1/invoices").next(Fault.HANG_AFTER_COMMIT, 1).probability(Fault.WEBHOOK_LOST, 1);
        var before = scene.dashboard().invoices().size();
        var id = scene.text("insert into invoices (customer_id, currency, memo) values (" + customer + ", 'EUR', 'ours') returning id");
        eventually().until(() -> made(id) != null);
        scene.dashboard().updateInvoice(made(id), Map.of("description", "theirs"));
        scene.run("delete from customers where id = " + customer); // within the time-out
        scene.linked("invoices", id);
        scene.awaitNothing();
        assertEquals(scene.text("select memo from invoices where id = " + id), invoice(id).get("description").asText());
        assertEquals(before + 1, scene.dashboard().invoices().size());
    }

    /** The id of the object in Stripe that points to a row, whether it is linked or not; null when there is none. */
    private static String made(String id) {
        return scene.dashboard().invoices().stream().filter(invoice -> invoice.at("/metadata/hub_id").asText().equals(id))
                .map(invoice -> invoice.get("id").asText()).findFirst().orElse(null);
    }

    @Test
    void a_line_whose_product_is_deleted_before_its_create_is_repeated_is_not_made_twice() throws Exception {
        var id = synced("'one', 2, 100");
        var product = scene.text("insert into products (name) values ('Saddle') returning id");
        scene.linked("products", product);
        scene.awaitNothing();
        scene.stripe().faults().only("POST", "/v1/invoiceitems").next(Fault.HANG_AFTER_COMMIT, 1).probability(Fault.WEBHOOK_LOST, 1);
        scene.run("insert into invoice_items (invoice_id, product_id, description, unit_amount) values (" + id + ", " + product + ", 'two', 5)");
        eventually().until(() -> lines(invoice(id)).size() == 2);
        scene.run("delete from products where id = " + product); // within the time-out
        scene.awaitText("true", "select deleted_at is not null from sync.link where entity = 'products' and record_id = '" + product + "'");
        scene.awaitText("0", "select count(*) from sync.link where entity = 'invoices' and in_flight_op is not null");
        scene.awaitEqual();
        assertEquals(2, lines(invoice(id)).size());
    }

    /** Nobody hears of what a statement makes in Stripe; then the key is forgotten. Stripe is paused. */
    private static void nobodyKnowsOf(String statement, Callable<Boolean> isMade) throws SQLException {
        scene.stripe().faults().only("POST", null).next(Fault.HANG_AFTER_COMMIT, 1).probability(Fault.WEBHOOK_LOST, 1);
        scene.run(statement);
        eventually().until(isMade);
        scene.run("select sync.pause('stripe', 'out', 'for a test')");
        var unknown = "from sync.link where entity = 'invoices' and in_flight_op is not null and lease_until is null";
        scene.awaitText("1", "select count(*) " + unknown);
        scene.stripe().faults().clear();
        scene.run("update sync.link set in_flight_at = now() - interval '24 hours' where record_id = (select record_id " + unknown + ") and entity = 'invoices'");
    }

    @Test
    void a_draft_deleted_in_the_dashboard_takes_its_row_along() throws Exception {
        var id = synced("'one', 2, 100");
        scene.dashboard().deleteInvoice(scene.linked("invoices", id));
        scene.awaitText("0", "select count(*) from invoices where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_line_that_was_not_sent_when_its_invoice_was_deleted_there_is_told_as_a_conflict() throws Exception {
        var id = synced("'one', 2, 100");
        scene.run("select sync.pause('stripe', 'out', 'for a test')");
        try {
            scene.run("insert into invoice_items (invoice_id, description, unit_amount) values (" + id + ", 'not sent', 5)");
            scene.dashboard().deleteInvoice(scene.linked("invoices", id));
            scene.awaitText("0", "select count(*) from invoices where id = " + id);
            scene.awaitText("not sent", "select local ->> 'description' from sync.conflict where entity = 'invoices' and record_id = '" + id + "'");
        } finally {
            scene.run("select sync.resume('stripe')");
        }
        scene.awaitEqual();
    }

    @ParameterizedTest
    @CsvSource({"3, false", "25, false", "3, true"})
    void an_invoice_made_in_the_dashboard_arrives_with_its_lines(int number, boolean shuffled) throws Exception {
        if (shuffled) {
            scene.stripe().faults().webhookDelay(0, 100).probability(Fault.WEBHOOK_SHUFFLED, 1);
        }
        var product = scene.dashboard().createProduct(Map.of("name", "Saddle", "currency", "usd", "unit_amount", 700));
        var customer = scene.dashboard().createCustomer(Map.of("name", "Grace"));
        var lines = new ArrayList<Map<String, Object>>();
        for (int i = 0; i < number; i++) {
            lines.add(Map.of("description", "line " + i, "quantity", i + 1, "unit_amount", 10 * i));
        }
        lines.add(Map.of("description", "a saddle", "quantity", 2, "product", product.get("id").asText()));
        var invoice = scene.dashboard().createInvoice(Map.of("customer", customer.get("id").asText(), "currency", "usd", "memo", "from there", "lines", lines));
        var id = scene.record("invoices", invoice);
        scene.awaitText(Integer.toString(number + 1), "select count(*) from invoice_items where invoice_id = " + id);
        scene.awaitEqual();

        scene.run("update invoice_items set quantity = 9 where description = 'line 2' and invoice_id = " + id);
        scene.dashboard().removeLine(line(invoice, "line 1").at("/parent/invoice_item_details/invoice_item").asText());
        scene.awaitEqual();
        assertEquals(Integer.toString(number), scene.text("select count(*) from invoice_items where invoice_id = " + id));
        assertEquals(9, line(invoice(id), "line 2").get("quantity").asLong());
    }

    @Test
    void an_event_whose_last_line_is_gone_by_now_is_no_failure() throws Exception {
        var customer = scene.dashboard().createCustomer(Map.of("name", "Grace"));
        var lines = IntStream.rangeClosed(1, 12).mapToObj(i -> Map.of("description", "line " + i, "quantity", 1, "unit_amount", i)).toList();
        scene.stripe().faults().webhookDelay(500, 500);
        var invoice = scene.dashboard().createInvoice(Map.of("customer", customer.get("id").asText(), "currency", "usd", "lines", lines));
        scene.dashboard().removeLine(line(invoice, "line 10").at("/parent/invoice_item_details/invoice_item").asText());
        var id = scene.record("invoices", invoice);
        scene.awaitEqual();
        assertEquals("11", scene.text("select count(*) from invoice_items where invoice_id = " + id));
    }

    @Test
    void a_line_gets_its_product_when_that_arrives_after_the_invoice() throws Exception {
        var product = productThatNoEventTellsOf();
        var customer = scene.dashboard().createCustomer(Map.of("name", "Grace"));
        var invoice = scene.dashboard().createInvoice(Map.of("customer", customer.get("id").asText(), "currency", "eur",
                "lines", List.of(Map.of("description", "a saddle", "quantity", 2, "product", product))));
        var id = scene.record("invoices", invoice);
        scene.awaitText("true", "select product_id is null from invoice_items where invoice_id = " + id);
        scene.dashboard().updateProduct(product, Map.of("name", "Camel saddle"));
        scene.awaitText("Camel saddle", "select p.name from invoice_items i join products p on i.product_id = p.id where invoice_id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_line_that_an_answer_tells_of_gets_its_product_when_that_arrives() throws Exception {
        var id = synced("'one', 2, 100");
        var product = productThatNoEventTellsOf();
        scene.stripe().faults().probability(Fault.WEBHOOK_LOST, 1);
        scene.dashboard().addLine(scene.linked("invoices", id), Map.of("description", "a saddle", "quantity", 2, "product", product));
        scene.stripe().faults().clear();
        scene.run("update invoices set memo = 'what is in it?' where id = " + id);
        scene.awaitText("true", "select product_id is null from invoice_items where description = 'a saddle' and invoice_id = " + id);
        scene.dashboard().updateProduct(product, Map.of("name", "Camel saddle"));
        scene.awaitText("Camel saddle", "select p.name from invoice_items i join products p on i.product_id = p.id where invoice_id = " + id);
        scene.awaitEqual();
    }

    @Test
    void an_answer_that_names_an_unknown_customer_waits_for_it() throws Exception {
        var id = synced("'one', 2, 100");
        scene.run("update sync.link set external_id = 'cus_gone' where entity = 'customers' and record_id = (select customer_id::text from invoices where id = " + id + ")");
        scene.run("update invoices set memo = 'whose is it?' where id = " + id);
        scene.awaitText("reference", "select code from sync.failure where entity = 'invoices' and record_id = '" + id + "' and direction = 'out'");
        scene.run("update sync.link set external_id = '" + invoice(id).get("customer").asText() + "' where external_id = 'cus_gone'");
        scene.awaitEqual();
    }

    private static String productThatNoEventTellsOf() {
        scene.stripe().faults().probability(Fault.WEBHOOK_LOST, 1);
        var product = scene.dashboard().createProduct(Map.of("name", "Saddle", "currency", "eur", "unit_amount", 700));
        scene.stripe().faults().clear();
        return product.get("id").asText();
    }

    @Test
    void edits_of_lines_in_the_dashboard_arrive() throws Exception {
        var id = synced("'one', 2, 100", "'two', 1, 200");
        var externalId = scene.linked("invoices", id);
        scene.dashboard().updateLine(item(id, "one"), Map.of("quantity", 7, "description", "one and more"));
        scene.dashboard().removeLine(item(id, "two"));
        scene.dashboard().addLine(externalId, Map.of("description", "three", "quantity", 3, "unit_amount", 33));
        scene.dashboard().updateInvoice(externalId, Map.of("memo", "by hand", "due_date", "2031-09-08"));
        scene.awaitText("one and more 7 100, three 3 33", "select string_agg(description || ' ' || quantity || ' ' || unit_amount, ', ' order by id)"
                + " from invoice_items where invoice_id = " + id);
        scene.awaitText("by hand 2031-09-08 799", "select memo || ' ' || due_date || ' ' || total from invoices where id = " + id);
        scene.awaitEqual();
    }

    /** Stripe keeps no product for a credit. */
    @Test
    void a_credit_that_becomes_a_charge_in_the_dashboard_gets_its_product_there() throws Exception {
        var id = synced("'credit', 1, -100");
        var product = scene.text("insert into products (name) values ('Saddle') returning id");
        var there = scene.linked("products", product);
        scene.run("update invoice_items set product_id = " + product + " where invoice_id = " + id);
        scene.awaitEqual();
        scene.dashboard().updateLine(item(id, "credit"), Map.of("description", "charge"));
        scene.awaitText("charge", "select description from invoice_items where invoice_id = " + id);
        scene.dashboard().updateLine(item(id, "charge"), Map.of("unit_amount", 150));
        scene.awaitEqual();
        assertEquals(there, invoice(id).at("/lines/data/0/pricing/price_details/product").asText());
        assertEquals("150 " + product, scene.text("select unit_amount || ' ' || product_id from invoice_items where invoice_id = " + id));
    }

    @Test
    void an_invoice_of_nothing_is_paid_as_soon_as_it_is_opened() throws Exception {
        var id = synced("'a gift', 1, 0");
        setStatus(id, "open");
        scene.awaitText("paid", "select status from invoices where id = " + id);
        scene.awaitEqual();
        assertEquals("paid", invoice(id).get("status").asText());
    }

    @ParameterizedTest
    @CsvSource({"open", "paid", "uncollectible"})
    void an_invoice_without_items_is_never_final_and_goes_out_when_they_come(String status) throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        scene.linked("customers", customer);
        scene.awaitNothing();
        scene.stripe().clearApiCalls();
        var id = scene.text("insert into invoices (customer_id, currency, status) values (" + customer + ", 'EUR', '" + status + "') returning id");
        assertEquals("it has no items: add some", scene.refusal("invoices", id));
        assertEquals("draft", invoice(id).get("status").asText());
        assertEquals(List.of(), scene.stripe().apiCalls().stream().filter(call -> call.path().endsWith("/finalize")).toList());
        scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'Saddle', 2, 19900)");
        scene.awaitEqual();
        assertEquals(status + " 39800", invoice(id).get("status").asText() + " " + invoice(id).get("total").asText());
        assertEquals(status + " 39800", scene.text("select status || ' ' || total from invoices where id = " + id));
    }

    /** Saved one after the other, as an ORM does, the items a moment later. */
    @Test
    void an_open_invoice_whose_items_are_committed_a_moment_later_bills_them() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        scene.linked("customers", customer);
        var id = scene.text("insert into invoices (customer_id, currency, status) values (" + customer + ", 'EUR', 'open') returning id");
        scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", 'Saddle', 1.5, 100), (" + id + ", 'Credit', 1, -50)");
        scene.awaitEqual();
        assertEquals("open 100 100", scene.text("select status || ' ' || total || ' ' || amount_due from invoices where id = " + id));
    }

    /** Lines that only a subscription makes, in tiers and in packages, and figures that no sum of items gives. */
    @Test
    void a_subscriptions_invoice_is_worth_what_stripe_says() throws Exception {
        var customer = scene.text("insert into customers (name) values ('Ada') returning id");
        var there = scene.linked("customers", customer);
        var price = scene.dashboard().createPrice(Map.of("currency", "eur", "billing_scheme", "tiered", "tiers_mode", "graduated", "recurring", Map.of("interval", "month"),
                "product", scene.dashboard().createProduct(Map.of("name", "Calls")).get("id").asText(),
                "tiers", Map.of("0", Map.of("up_to", "10", "unit_amount", "500"), "1", Map.of("up_to", "inf", "unit_amount", "300"))));
        scene.dashboard().createSubscription(Map.of("customer", there, "price", price.get("id").asText(), "quantity", 12));
        scene.awaitText("5600 5600", "select string_agg(t.amount::text, ',') || ' ' || max(i.total) from invoices i join invoice_items t on t.invoice_id = i.id where i.customer_id = " + customer);
        scene.awaitEqual();
    }

    @Test
    void an_invoice_of_nothing_that_is_to_be_paid_is_paid() throws Exception {
        var id = synced("'a gift', 1, 0");
        setStatus(id, "paid");
        scene.awaitEqual();
        assertEquals("paid", invoice(id).get("status").asText());
    }

    @Test
    void a_line_of_a_final_invoice_cannot_change_and_taking_that_back_clears_the_failure() throws Exception {
        var id = opened("'one', 2, 100");
        scene.run("update invoice_items set quantity = 3 where invoice_id = " + id);
        var reason = scene.refusal("invoices", id);
        assertTrue(reason.contains("the invoice is final in Stripe; take the change back"), reason);
        assertTrue(reason.endsWith("(about invoice_items/" + scene.text("select id from invoice_items where invoice_id = " + id) + ")"), reason);
        scene.run("update invoice_items set quantity = 2 where invoice_id = " + id);
        scene.awaitText("0", "select count(*) from sync.failure where entity = 'invoices' and record_id = '" + id + "'");
        scene.awaitEqual();
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', value = {"customer_id = (select max(id) from customers)", "currency = 'CHF'", "status = 'draft'"})
    void what_stripe_never_changes_is_refused_in_words_and_taking_that_back_clears_the_failure(String change) throws Exception {
        var id = opened("'one', 2, 100");
        var before = scene.text("select jsonb_build_object('customer_id', customer_id, 'currency', currency, 'status', status) from invoices where id = " + id);
        scene.run("insert into customers (name) values ('another')", "update invoices set " + change + " where id = " + id);
        var reason = scene.refusal("invoices", id);
        assertTrue(reason.contains("take it back, or make another invoice") && !reason.contains("about"), reason);
        scene.run("update invoices set (customer_id, currency, status) = (select customer_id, currency, status from jsonb_populate_record(null::invoices, '"
                + before + "')) where id = " + id);
        scene.awaitText("0", "select count(*) from sync.failure where entity = 'invoices' and record_id = '" + id + "'");
        scene.awaitEqual();
    }

    @Test
    void deleting_a_customer_leaves_its_final_invoices_as_they_are() throws Exception {
        var id = opened("'one', 2, 100");
        scene.run("delete from customers where id = (select customer_id from invoices where id = " + id + ")");
        scene.awaitEqual();
        assertEquals("open", invoice(id).get("status").asText());
        assertEquals("open", scene.text("select status from invoices where id = " + id));
        scene.dashboard().payInvoice(scene.linked("invoices", id));
        scene.awaitText("paid", "select status from invoices where id = " + id);
        scene.awaitEqual();
    }

    @Test
    void a_late_event_moves_no_status_backwards() throws Exception {
        var id = synced("'one', 2, 100");
        var externalId = scene.linked("invoices", id);
        scene.stripe().faults().webhookDelay(0, 1500).probability(Fault.WEBHOOK_SHUFFLED, 1).probability(Fault.WEBHOOK_DUPLICATED, 0.5);
        scene.dashboard().finalizeInvoice(externalId);
        scene.dashboard().payInvoice(externalId);
        var seen = new ArrayList<String>();
        eventually().until(() -> {
            var status = scene.text("select status from invoices where id = " + id);
            if (seen.isEmpty() || !seen.get(seen.size() - 1).equals(status)) {
                seen.add(status);
            }
            return scene.stripe().webhooksIdle() && status.equals("paid");
        });
        scene.awaitEqual();
        var order = List.of("draft", "open", "paid");
        assertEquals(seen.stream().sorted((a, b) -> order.indexOf(a) - order.indexOf(b)).toList(), seen);
    }

    @Test
    void edits_of_two_lines_on_both_sides_at_once_both_survive() throws Exception {
        var id = synced("'one', 2, 100", "'two', 1, 200");
        scene.stripe().faults().webhookDelay(300, 300);
        scene.dashboard().updateLine(item(id, "one"), Map.of("quantity", 4));
        scene.run("update invoice_items set quantity = 5 where description = 'two' and invoice_id = " + id);
        scene.awaitText("4, 5", "select string_agg(quantity::text, ', ' order by id) from invoice_items where invoice_id = " + id);
        scene.awaitEqual();
        assertEquals("0", scene.text("select count(*) from sync.conflict where entity = 'invoices' and record_id = '" + id + "'"));
    }

    @Test
    void of_edits_of_one_line_on_both_sides_one_wins_and_the_other_is_kept() throws Exception {
        var id = synced("'one', 2, 100");
        scene.stripe().faults().webhookDelay(300, 300);
        scene.dashboard().updateLine(item(id, "one"), Map.of("quantity", 4));
        scene.run("update invoice_items set quantity = 5 where description = 'one' and invoice_id = " + id);
        scene.awaitEqual();
        assertEquals("{4,5}", scene.text("select array(select q from (select quantity from invoice_items where invoice_id = " + id + " union all"
                + " select (case winner when 'hub' then remote else local end ->> 'quantity')::integer from sync.conflict"
                + " where entity = 'invoices' and record_id = '" + id + "') as t (q) order by q)"));
    }

    @ParameterizedTest
    @CsvSource({"JPY, 1, 99999999", "JPY, 99999999, 1", "EUR, 3, 333", "KWD, 7, 1230", "usd, 0, 500", "EUR, 1, 99999999"})
    void amounts_are_in_the_currencys_minor_unit_up_to_their_bounds(String currency, int quantity, long amount) throws Exception {
        var id = draftIn(currency, "'one', " + quantity + ", " + amount);
        scene.linked("invoices", id);
        scene.awaitEqual();
        assertEquals(quantity * amount, invoice(id).get("total").asLong());
        assertEquals(currency.toLowerCase(), invoice(id).get("currency").asText());
    }

    @Test
    void an_amount_that_stripe_refuses_stops_its_own_item_only() throws Exception {
        var id = synced("'one', 2, 100");
        scene.run("insert into invoice_items (invoice_id, description, unit_amount) values (" + id + ", 'too much', 999999999999)");
        assertTrue(scene.refusal("invoices", id).contains("unit_amount"), () -> scene.refusal("invoices", id));
        scene.run("update invoice_items set unit_amount = 5 where description = 'too much' and invoice_id = " + id);
        scene.awaitEqual();
    }

    /** A new customer with a draft, in Postgres. Items: description, quantity, unit_amount. */
    private static String draft(String... items) throws SQLException {
        return draftIn("EUR", items);
    }

    private static String draftIn(String currency, String... items) throws SQLException {
        var id = scene.text("with c as (insert into customers (name) values ('Ada') returning id)"
                + " insert into invoices (customer_id, currency) select id, '" + currency + "' from c returning id");
        for (var item : items) {
            scene.run("insert into invoice_items (invoice_id, description, quantity, unit_amount) values (" + id + ", " + item + ")");
        }
        return id;
    }

    /** A draft that both sides have. */
    private static String synced(String... items) throws SQLException {
        var id = draft(items);
        scene.linked("invoices", id);
        scene.awaitEqual();
        return id;
    }

    /** An open invoice that both sides have. */
    private static String opened(String... items) throws SQLException {
        var id = synced(items);
        setStatus(id, "open");
        scene.awaitText("true", "select number is not null from invoices where id = " + id);
        scene.awaitEqual();
        return id;
    }

    private static void setStatus(String id, String status) throws SQLException {
        scene.run("update invoices set status = '" + status + "' where id = " + id);
    }

    private static void step(String externalId, String status) {
        switch (status) {
            case "open" -> scene.dashboard().finalizeInvoice(externalId);
            case "paid" -> scene.dashboard().payInvoice(externalId);
            case "void" -> scene.dashboard().voidInvoice(externalId);
            default -> scene.dashboard().markUncollectible(externalId);
        }
    }

    private static JsonNode invoice(String id) {
        return scene.dashboard().invoice(scene.linked("invoices", id));
    }

    private static JsonNode line(JsonNode invoice, String description) {
        return lines(invoice).stream().filter(line -> line.get("description").asText().equals(description)).findFirst().orElseThrow();
    }

    private static String item(String id, String description) {
        return line(invoice(id), description).at("/parent/invoice_item_details/invoice_item").asText();
    }

    private static List<JsonNode> lines(JsonNode invoice) {
        return StreamSupport.stream(invoice.at("/lines/data").spliterator(), false).toList();
    }

    private static Set<String> descriptions(JsonNode invoice) {
        return lines(invoice).stream().map(line -> line.get("description").asText()).collect(Collectors.toSet());
    }
}
