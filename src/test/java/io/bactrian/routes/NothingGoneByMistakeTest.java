package io.bactrian.routes;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.sandbox.stripe.ApiCall;
import io.bactrian.sandbox.stripe.Fault;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What cannot be seen is not gone, and what cannot be undone asks first. */
class NothingGoneByMistakeTest {

    private static StripeScene scene;

    @BeforeAll
    static void start() throws Exception {
        scene = new StripeScene(settings -> settings.with("sync.max-deletes", "10").with("watch.interval", "200"));
    }

    @AfterAll
    static void stop() throws Exception {
        scene.close();
    }

    @BeforeEach
    void begin() throws SQLException {
        scene.run("delete from sync.deletion", "update sync.link set deleted_at = deleted_at - interval '2 hours' where deleted_at is not null"); // as hours later
        scene.begin();
        scene.stripe().clearApiCalls();
    }

    @AfterEach
    void mend() throws SQLException {
        scene.run("update sync.integration set deletes_out = 'follow', deletes_in = 'follow' where system = 'stripe'");
        scene.run("select sync.cancel_deletes('stripe', e.name, p_direction => d) from sync.entity e, unnest(array['in', 'out']) d where e.part_of is null");
    }

    // Tables that cannot be seen.

    /** What hides the customers, how it is mended, and the words for it. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            alter table customers force row level security, enable row level security | alter table customers no force row level security, disable row level security | row-level security hides rows of customers
            alter table customers rename column phone to phone_number | alter table customers rename column phone_number to phone | customers has no column phone, which routes/stripe-customers.camel.yaml syncs
            revoke select on customers from bactrian | grant select on customers to bactrian | may not read all of customers
            revoke select on customers from bactrian; grant select (id, name) on customers to bactrian | grant select on customers to bactrian | may not read all of customers
            """)
    void a_customer_that_cannot_be_seen_is_neither_deleted_nor_emptied_and_goes_on_later(String hide, String show, String words) throws Exception {
        var id = insertCustomer("Ada");
        var gone = insertCustomer("Grace");
        var customer = scene.linked("customers", id);
        var goneThere = scene.linked("customers", gone);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.runAsSuperuser(hide.split(";"));
        try {
            scene.runAsSuperuser("update customers set description = 'edited here' where id = " + id, "delete from customers where id = " + gone,
                    "insert into customers (name) values ('Edsger')");
            scene.awaitText("true", "select coalesce(bool_or(reason like '%" + words + "%'), false) from sync.failure where entity = 'customers' and record_id = '" + id + "'");
            scene.dashboard().updateCustomer(customer, Map.of("email", "there@example.com"));
            scene.awaitText("held", "select outcome from sync.event where external_id = '" + customer + "' order by received_at desc limit 1");
            StripeScene.eventually().until(scene::health, health -> health.contains(words) && health.contains("DOWN"));
            assertEquals(List.of(), writes().stream().filter(call -> !call.path().endsWith(goneThere)).toList()); // that one is really gone
            assertEquals("+1 555 0100", scene.dashboard().customer(customer).get("phone").asText());
        } finally {
            scene.runAsSuperuser(show.split(";"));
        }
        StripeScene.eventually().until(() -> scene.dashboard().customer(goneThere).path("deleted").asBoolean());
        scene.awaitEqual();
        assertEquals("edited here", scene.dashboard().customer(customer).get("description").asText());
        assertEquals("there@example.com", scene.text("select email from customers where id = " + id));
        assertEquals(List.of(), scene.texts("select to_json(c) from sync.conflict c where record_id = '" + id + "' and entity = 'customers'"));
        StripeScene.eventually().until(() -> !scene.health().contains("DOWN"));
    }

    @Test
    void a_policy_that_shows_a_row_to_its_tenant_only_deletes_nothing_whatever_is_edited() throws Exception {
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.run("alter table customers enable row level security", "alter table customers force row level security",
                "create policy tenant on customers using (current_setting('app.tenant', true) = 'x') with check (true)");
        try {
            scene.run("set local app.tenant = 'x'", "update customers set description = 'still here' where id = " + id);
            scene.awaitText("1", "select count(*) from sync.blocked where entity = 'customers'");
            scene.dashboard().deleteCustomer(customer);
            scene.awaitText("held", "select outcome from sync.event where external_id = '" + customer + "' order by received_at desc limit 1");
            assertEquals("1", scene.texts("select count(*) from sync.link where entity = 'customers' and record_id = '" + id + "' and deleted_at is null").get(0));
        } finally {
            scene.run("drop policy tenant on customers", "alter table customers no force row level security", "alter table customers disable row level security");
        }
        scene.awaitText("0", "select count(*) from customers where id = " + id);
        scene.awaitEqual();
        assertEquals(0, deleted());
    }

    @Test
    void a_line_whose_column_was_renamed_is_not_emptied() throws Exception {
        var customer = insertCustomer("Ada");
        var invoice = scene.text("with i as (insert into invoices (customer_id, currency) values (" + customer + ", 'EUR') returning id)"
                + " insert into invoice_items (invoice_id, description, unit_amount) select id, 'Saddle', 100 from i returning invoice_id");
        var there = scene.linked("invoices", invoice);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.run("alter table invoice_items rename column description to what");
        try {
            scene.run("update invoices set memo = 'soon' where id = " + invoice);
            scene.awaitText("1", "select count(*) from sync.blocked where entity = 'invoices' and reason like 'invoice_items has no column description%'");
            assertEquals(List.of(), writes());
        } finally {
            scene.run("alter table invoice_items rename column what to description");
        }
        scene.awaitEqual();
        assertEquals("soon", scene.dashboard().invoice(there).get("description").asText());
        assertEquals("Saddle", scene.dashboard().invoice(there).at("/lines/data/0/description").asText());
    }

    @Test
    void a_reconcile_of_a_table_that_cannot_be_seen_waits_and_says_why() throws Exception {
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.runAsSuperuser("revoke select on customers from bactrian");
        String run;
        try {
            run = scene.text("select sync.reconcile('stripe', 'customers', 'heal')");
            scene.awaitText("true", "select reason like '%may not read all of customers%' from sync.run where id = " + run);
        } finally {
            scene.runAsSuperuser("grant select on customers to bactrian");
        }
        scene.awaitText("done", "select state from sync.run where id = " + run);
        scene.awaitEqual();
        assertEquals(List.of(), writes());
        assertEquals("Ada", scene.dashboard().customer(customer).get("name").asText());
    }

    // Answers that say nothing.

    @Test
    void a_create_that_is_answered_without_an_id_is_a_failure_and_makes_one_customer() throws Exception {
        scene.stripe().faults().only("POST", "/v1/customers").probability(Fault.ANSWER_WITHOUT_ID, 1);
        scene.stripe().webhookUrl(null); // or its event tells
        var id = insertCustomer("Ada");
        var failure = "select class || ' ' || code from sync.failure where entity = 'customers' and record_id = '" + id + "'";
        StripeScene.eventually().until(() -> {
            scene.run("update sync.failure set next_attempt_at = now() where next_attempt_at > now() and record_id = '" + id + "'"); // as if the pauses were over
            return scene.texts(failure).equals(List.of("permanent no_id"));
        });
        scene.run("update customers set description = 'once more' where id = " + id);
        scene.stripe().faults().clear();
        scene.text("select sync.retry('stripe', 'customers', '" + id + "')");
        var customer = scene.linked("customers", id);
        scene.restoreWebhooks();
        scene.awaitNothing();
        assertEquals(List.of(customer), scene.dashboard().customers().stream().filter(each -> each.at("/metadata/hub_id").asText().equals(id)).map(each -> each.get("id").asText()).toList());
        assertEquals("once more", scene.dashboard().customer(customer).get("description").asText());
    }

    @Test
    void an_update_or_read_that_is_answered_without_a_body_is_tried_again_and_never_a_deletion() throws Exception {
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.awaitEqual();
        scene.stripe().faults().only("POST", "/v1/customers/").next(Fault.ANSWER_WITHOUT_BODY, 2);
        scene.run("update customers set description = 'edited' where id = " + id);
        scene.awaitEqual();
        scene.stripe().faults().clear().only("GET", "/v1/customers/").next(Fault.ANSWER_WITHOUT_ID, 2);
        scene.run("update sync.link set look_at = now() where entity = 'customers' and record_id = '" + id + "'");
        scene.text("select sync.poke('customers', '" + id + "', 'stripe')");
        scene.awaitEqual();
        assertEquals("1", scene.text("select count(*) from customers where id = " + id));
        assertEquals("edited", scene.dashboard().customer(customer).get("description").asText());
    }

    // Many deletes at once.

    @Test
    void a_mass_delete_sends_nothing_until_a_person_confirms_it() throws Exception {
        var ids = insertMany("wrong");
        scene.run("delete from customers where name like 'wrong %'");
        awaitBrake("out");
        StripeScene.eventually().until(() -> scene.health().contains("sync.confirm_deletes('stripe', 'customers')"));
        // Somebody deletes one more, and others go on.
        var more = insertCustomer("one more");
        scene.linked("customers", more);
        scene.run("delete from customers where id = " + more);
        scene.awaitText(ids.size() + 1 + "", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_out'");
        assertEquals(0, deleted());
        scene.text("select sync.confirm_deletes('stripe', 'customers')");
        scene.awaitEqual();
        assertEquals(ids.size() + 1, deleted());
        assertEquals(List.of(), scene.texts("select to_json(b) from sync.brake b"));
        // What was confirmed counts no more.
        var last = insertCustomer("the last one");
        scene.linked("customers", last);
        scene.run("delete from customers where id = " + last);
        scene.awaitEqual();
        assertEquals(ids.size() + 2, deleted());
    }

    @Test
    void deletes_of_long_ago_that_nobody_has_looked_at_count() throws Exception {
        var ids = insertMany("late");
        scene.run("delete from customers where name like 'late %'", "update sync.outbox set changed_at = changed_at - interval '2 hours'");
        awaitBrake("out");
        scene.run("select sync.forget_deletions()");
        scene.awaitText(ids.size() + "", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_out'");
        assertEquals(ids.size() + "", scene.text("select count(*) from sync.deletion where entity = 'customers'"));
        assertEquals(0, deleted());
    }

    @Test
    void a_mass_delete_that_was_a_mistake_leaves_all_objects_and_is_a_difference() throws Exception {
        var ids = insertMany("mistaken");
        scene.run("delete from customers where name like 'mistaken %'");
        awaitBrake("out");
        scene.text("select sync.cancel_deletes('stripe', 'customers')");
        scene.awaitNothing();
        assertEquals(0, deleted());
        var run = scene.text("select sync.reconcile('stripe', 'customers', 'heal')");
        scene.awaitText("done", "select state from sync.run where id = " + run);
        assertEquals(ids.size() + "", scene.text("select count(distinct external_id) from sync.difference where run_id = " + run + " and kind = 'only_remote' and remote ->> 'name' like 'mistaken %'"));
        scene.awaitEqual();
        assertEquals(ids.size() + "", scene.text("select count(*) from customers where name like 'mistaken %'"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"once more", ""})
    void rows_that_are_restored_under_their_ids_keep_their_objects(String edit) throws Exception {
        var ids = insertMany("restored");
        scene.run("create table backup as select * from customers where name like 'restored %'");
        try {
            scene.run("delete from customers where name like 'restored %'");
            awaitBrake("out");
            scene.run("update backup set description = nullif('" + edit + "', '')", "insert into customers select * from backup");
            scene.awaitText("0", "select count(*) from sync.link where entity = 'customers' and deletion is not null");
            scene.awaitEqual();
            assertEquals(0, deleted());
            assertEquals(ids.size(), scene.dashboard().customers().stream().filter(each -> each.get("name").asText().startsWith("restored ")
                    && each.get("description").asText("").equals(edit)).count());
            scene.awaitText("0", "select count(*) from sync.brake");
            assertEquals("0 objects and rows stay, and are no longer linked: select sync.reconcile('stripe', 'customers', 'diff') shows them",
                    scene.text("select sync.cancel_deletes('stripe', 'customers')"));
            // It can happen again.
            scene.run("delete from customers where name like 'restored %'");
            awaitBrake("out");
            assertEquals(0, deleted());
        } finally {
            scene.run("drop table backup");
        }
    }

    @Test
    void a_row_that_is_back_before_its_delete_is_decided_keeps_its_object() throws Exception {
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.awaitEqual();
        scene.stripe().clearApiCalls();
        scene.run("create table backup as select * from customers where id = " + id);
        try (var others = scene.transaction()) {
            others.rows("select pg_advisory_xact_lock(hashtextextended('sync.brake/stripe/customers', 0))"); // as when many are decided at once
            scene.run("delete from customers where id = " + id);
            scene.awaitText("true", "select exists (select from pg_locks where locktype = 'advisory' and not granted)");
            scene.run("insert into customers select * from backup");
            others.connection().commit();
            scene.awaitEqual();
            assertEquals(0, deleted());
            assertEquals(customer, scene.linked("customers", id));
        } finally {
            scene.run("drop table backup");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"later", ""})
    void rows_that_are_restored_after_their_deletes_were_cancelled_are_linked_again(String edit) throws Exception {
        insertMany("saved" + edit);
        scene.run("update customers set description = 'later' where name like 'saved" + edit + " %'");
        scene.awaitEqual();
        scene.run("create table backup as select * from customers where name like 'saved" + edit + " %'");
        try {
            scene.run("delete from customers where name like 'saved" + edit + " %'");
            awaitBrake("out");
            scene.awaitText("30", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_out'");
            scene.text("select sync.cancel_deletes('stripe', 'customers')");
            scene.run("update backup set description = nullif('" + edit + "', '')", "insert into customers select * from backup");
            scene.awaitEqual();
            assertEquals(30, scene.dashboard().customers().stream().filter(each -> each.get("name").asText().startsWith("saved" + edit + " ")).count());
            assertEquals(0, deleted());
        } finally {
            scene.run("drop table backup");
        }
    }

    @Test
    void what_was_confirmed_while_the_rows_came_back_asks_again_the_next_time() throws Exception {
        insertMany("twice");
        scene.run("create table backup as select * from customers where name like 'twice %'");
        try {
            scene.run("delete from customers where name like 'twice %'");
            awaitBrake("out");
            scene.awaitText("30", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_out'");
            scene.run("select sync.pause('stripe', 'out')");
            scene.text("select sync.confirm_deletes('stripe', 'customers')");
            scene.run("insert into customers select * from backup");
            scene.run("select sync.resume('stripe', 'out')");
            scene.awaitEqual();
            scene.run("delete from customers where name like 'twice %'");
            awaitBrake("out");
            assertEquals(0, deleted());
        } finally {
            scene.run("drop table backup");
        }
    }

    @Test
    void a_row_that_is_missing_and_that_nobody_was_seen_deleting_is_asked_about() throws Exception {
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.awaitEqual();
        scene.run("alter table customers disable trigger sync_capture_delete", "delete from customers where id = " + id,
                "alter table customers enable always trigger sync_capture_delete");
        scene.dashboard().updateCustomer(customer, Map.of("description", "edited"));
        scene.run("select sync.poke('customers', '" + id + "', 'stripe')");
        assertTrue(scene.refusal("customers", id).contains("nobody was seen deleting it"));
        assertEquals(0, deleted());
        scene.text("select sync.confirm_delete('stripe', 'customers', '" + id + "')");
        scene.awaitEqual();
        assertEquals(1, deleted());
    }

    @Test
    void a_table_in_whose_place_another_one_stands_is_told_of() throws Exception {
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.awaitEqual();
        scene.run("create table customers_new (like customers including all)", "alter table customers rename to customers_old", "alter table customers_new rename to customers");
        StripeScene.eventually().until(() -> scene.health().contains("another table has the name customers now"));
        scene.dashboard().updateCustomer(customer, Map.of("description", "meanwhile"));
        scene.awaitText("held", "select outcome from sync.event where external_id = '" + customer + "' order by received_at desc limit 1");
        assertTrue(scene.text("select sync.untrack('customers')").equals("customers"));
        scene.run("drop table customers", "alter table customers_old rename to customers", "select sync.track('customers')", "select sync.track('invoices')");
        scene.awaitText("meanwhile", "select description from customers where id = " + id);
        scene.awaitEqual();
        assertEquals(0, deleted());
    }

    @Test
    void deletes_in_both_directions_are_two_questions() throws Exception {
        var ids = insertMany("both");
        ids.subList(0, 15).forEach(id -> scene.dashboard().deleteCustomer(scene.linked("customers", id)));
        awaitBrake("in");
        scene.awaitText("5", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_in'");
        scene.run("delete from customers where id in (" + String.join(", ", ids.subList(15, 30)) + ")");
        scene.awaitText("15", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_out'");
        var refused = assertThrows(SQLException.class, () -> scene.text("select sync.confirm_deletes('stripe', 'customers')"));
        assertTrue(refused.getMessage().contains("15 deletes of customers wait to go to stripe, and 5 wait to be made here"), refused.getMessage());
        assertEquals("0 deletes go on to stripe, 5 rows are deleted here", scene.text("select sync.confirm_deletes('stripe', 'customers', p_direction => 'in')"));
        assertEquals(0, deleted());
        assertEquals("15 deletes go on to stripe, 0 rows are deleted here", scene.text("select sync.confirm_deletes('stripe', 'customers')"));
        scene.awaitEqual();
    }

    @Test
    void a_truncate_deletes_nothing_in_stripe() throws Exception {
        var ids = insertMany("truncated");
        scene.run("with i as (insert into invoices (customer_id, currency) values (" + ids.get(0) + ", 'EUR') returning id)"
                + " insert into invoice_items (invoice_id, description, unit_amount) select id, 'Saddle', 100 from i");
        scene.awaitNothing();
        scene.stripe().clearApiCalls();
        scene.run("truncate customers cascade");
        awaitBrake("out");
        scene.text("select sync.cancel_deletes('stripe', 'customers')");
        scene.awaitNothing();
        assertEquals(0, deleted());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void a_mass_delete_of_lines_waits_until_a_person_confirms_it_or_the_lines_are_back(boolean right) throws Exception {
        var customer = insertCustomer("Ada");
        scene.run("with i as (insert into invoices (customer_id, currency) select " + customer + ", 'EUR' from generate_series(1, 12) returning id)"
                + " insert into invoice_items (invoice_id, description, unit_amount) select id, 'Saddle', 100 from i");
        scene.awaitEqual();
        scene.run("create table backup as select t.* from invoice_items t join invoices i on i.id = t.invoice_id where i.customer_id = " + customer);
        try {
            scene.run("delete from invoice_items where id in (select id from backup)");
            StripeScene.eventually().until(() -> scene.health().contains("sync.confirm_deletes('stripe', 'invoice_items')"));
            scene.awaitText("12", "select count(*) from sync.failure where entity = 'invoices' and code = 'delete'");
            if (right) {
                scene.text("select sync.confirm_deletes('stripe', 'invoice_items')");
            } else {
                scene.run("insert into invoice_items (id, invoice_id, description, unit_amount) overriding system value select id, invoice_id, description, unit_amount from backup");
            }
            scene.awaitEqual();
            assertEquals(right ? 12 : 0, scene.stripe().apiCalls().stream().filter(call -> call.method().equals("DELETE")).count());
            scene.awaitText("0", "select count(*) from sync.brake");
        } finally {
            scene.run("drop table backup");
        }
    }

    @Test
    void a_few_deletes_are_followed_at_once() throws Exception {
        var ids = insertMany("few");
        scene.run("delete from customers where id in (" + String.join(", ", ids.subList(0, 10)) + ")");
        scene.awaitEqual();
        assertEquals(10, deleted());
    }

    @Test
    void a_mass_delete_in_stripe_stops_after_the_first_few_until_a_person_confirms_it() throws Exception {
        var ids = insertMany("there");
        ids.forEach(id -> scene.dashboard().deleteCustomer(scene.linked("customers", id)));
        awaitBrake("in");
        scene.awaitText(ids.size() - 10 + "", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_in'");
        assertEquals(ids.size() - 10 + "", scene.text("select count(*) from customers where name like 'there %'"));
        scene.text("select sync.confirm_deletes('stripe', 'customers')");
        scene.awaitEqual();
        assertEquals("0", scene.text("select count(*) from customers where name like 'there %'"));
    }

    @Test
    void what_was_deleted_in_stripe_and_stays_here_is_not_linked_to_what_is_gone() throws Exception {
        var ids = insertMany("stays");
        var customers = ids.stream().map(id -> scene.linked("customers", id)).toList();
        customers.forEach(scene.dashboard()::deleteCustomer);
        awaitBrake("in");
        scene.awaitText(ids.size() - 10 + "", "select count(*) from sync.link where entity = 'customers' and deletion = 'held_in'");
        scene.text("select sync.cancel_deletes('stripe', 'customers')");
        scene.awaitNothing();
        assertEquals(ids.size() + "", scene.text("select count(*) from sync.tombstone where external_id in ('" + String.join("', '", customers) + "')"));
        assertEquals(ids.size() - 10 + "", scene.text("select count(*) from customers where name like 'stays %'"));
        scene.run("update customers set description = 'made anew' where name like 'stays %'");
        scene.awaitEqual();
    }

    // What may be deleted at all.

    @Test
    void an_object_is_kept_when_the_integration_says_so() throws Exception {
        scene.run("update sync.integration set deletes_out = 'keep' where entity = 'customers'");
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.run("delete from customers where id = " + id);
        scene.awaitText("hub", "select deleted_by from sync.link where entity = 'customers' and record_id = '" + id + "'");
        scene.dashboard().updateCustomer(customer, Map.of("email", "later@example.com"));
        scene.awaitText("tombstone", "select outcome from sync.event where external_id = '" + customer + "' order by received_at desc limit 1");
        scene.awaitNothing();
        assertFalse(scene.dashboard().customer(customer).path("deleted").asBoolean());
        scene.dashboard().deleteCustomer(customer);
    }

    @ParameterizedTest
    @CsvSource({"keep, true", "mark deleted_at, false"})
    void a_row_is_kept_or_marked_when_the_integration_says_so(String choice, boolean unmarked) throws Exception {
        scene.run("alter table customers add column if not exists deleted_at timestamptz",
                "update sync.integration set deletes_in = '" + choice + "' where entity = 'customers'");
        var id = insertCustomer("Ada");
        var customer = scene.linked("customers", id);
        scene.run("create table orders (id bigint generated always as identity, customer_id bigint references customers on delete cascade)",
                "insert into orders (customer_id) values (" + id + ")");
        try {
            scene.dashboard().deleteCustomer(customer);
            scene.awaitText("kept", "select deletion from sync.link where entity = 'customers' and record_id = '" + id + "'");
            scene.run("update customers set description = 'still ours' where id = " + id);
            scene.awaitNothing();
            assertEquals("1", scene.text("select count(*) from orders"));
            assertEquals(Boolean.toString(unmarked), scene.text("select deleted_at is null from customers where id = " + id));
            assertEquals(0, scene.dashboard().customers().stream().filter(each -> each.at("/metadata/hub_id").asText().equals(id)).count());
            // The id is free for another record, once the row is gone.
            scene.run("delete from customers where id = " + id);
            scene.awaitNothing();
            scene.run("insert into customers (id, name) overriding system value values (" + id + ", 'Grace')");
            scene.awaitEqual();
            assertEquals(1, scene.dashboard().customers().stream().filter(each -> each.at("/metadata/hub_id").asText().equals(id)).count());
        } finally {
            scene.run("drop table orders", "delete from customers where id = " + id, "alter table customers drop column deleted_at");
        }
    }

    @Test
    void a_single_delete_waits_for_a_person_when_the_integration_says_so() throws Exception {
        scene.run("update sync.integration set deletes_out = 'ask', deletes_in = 'ask' where entity = 'customers'");
        var here = insertCustomer("Ada");
        var there = insertCustomer("Grace");
        var customer = scene.linked("customers", here);
        scene.awaitEqual();
        scene.run("delete from customers where id = " + here);
        scene.dashboard().deleteCustomer(scene.linked("customers", there));
        assertTrue(scene.refusal("customers", here).contains("select sync.confirm_delete('stripe', 'customers', '" + here + "')"));
        scene.awaitText("held_in", "select deletion from sync.link where entity = 'customers' and record_id = '" + there + "'");
        assertFalse(scene.dashboard().customer(customer).path("deleted").asBoolean());
        assertEquals("1", scene.text("select count(*) from customers where id = " + there));
        scene.text("select sync.confirm_delete('stripe', 'customers', '" + here + "')");
        scene.text("select sync.confirm_delete('stripe', 'customers', '" + there + "')");
        scene.awaitEqual();
        assertTrue(scene.dashboard().customer(customer).path("deleted").asBoolean());
        assertEquals("0", scene.text("select count(*) from customers where id = " + there));
    }

    private static String insertCustomer(String name) throws SQLException {
        return scene.text("insert into customers (name, phone) values ('" + name + "', '+1 555 0100') returning id");
    }

    /** Thirty customers, on both sides. */
    private static List<String> insertMany(String name) throws SQLException {
        var ids = IntStream.rangeClosed(1, 30).mapToObj(n -> {
            try {
                return insertCustomer(name + " " + n);
            } catch (SQLException e) {
                throw new AssertionError(e);
            }
        }).toList();
        scene.awaitNothing();
        scene.stripe().clearApiCalls();
        return ids;
    }

    private static void awaitBrake(String direction) {
        scene.awaitText(direction, "select direction from sync.brake where system = 'stripe' and entity = 'customers'");
    }

    private static long deleted() {
        return scene.stripe().apiCalls().stream().filter(call -> call.method().equals("DELETE") && call.path().startsWith("/v1/customers/")).count();
    }

    private static List<ApiCall> writes() {
        return scene.stripe().apiCalls().stream().filter(call -> !call.method().equals("GET")).toList();
    }
}
