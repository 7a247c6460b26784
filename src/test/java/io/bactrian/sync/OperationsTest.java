package io.bactrian.sync;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.bactrian.TestServices;
import io.bactrian.store.Events;
import java.sql.SQLException;
import java.util.List;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a person or another instance decides about a system, and what records and events do meanwhile. */
class OperationsTest {

    private static final long START = Scene.START;

    private static Sql sql;
    private Scene scene;

    @BeforeAll
    static void open() throws Exception {
        sql = Sql.open(TestServices.database().dataSource());
    }

    @AfterAll
    static void close() throws SQLException {
        sql.close();
    }

    @BeforeEach
    void set() throws SQLException {
        scene = new Scene(sql);
        for (var table : List.of("sync.system", "sync.rate", "sync.instance", "sync.job", "sync.activity")) {
            sql.run("delete from " + table);
        }
    }

    // Pausing.

    @Test
    void a_record_that_changes_while_its_system_is_paused_is_parked_and_sent_after_it_is_resumed() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        sql.run("select sync.pause('stripe', 'out', 'for a test')");
        scene.edit(id, START + 1, "{name:'Ada King'}");
        assertEquals("parked", scene.hub.claim(id).action());
        assertEquals("parked", scene.hub.claim(id).action());
        scene.quiet();
        assertEquals(0, sql.number("select sync.unpark(10)"));
        assertEquals("1 records to send, 0 events to apply", sql.text("select sync.resume('stripe')"));
        assertEquals(1, sql.number("select sync.unpark(10)"));
        assertEquals(1, scene.pokes(id));
        assertEquals("update", scene.hub.claim(id).action());
        assertEquals(0, sql.number("select sync.unpark(10)"));
    }

    @Test
    void a_paused_system_does_not_hold_up_another() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        sql.run("select sync.pause('crm')");
        assertEquals("create", scene.hub.claim(id).action());
    }

    @Test
    void nothing_is_created_before_the_first_look_at_a_system_has_begun() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        Supplier<Object> claim = () -> Writes.claim(sql, "new", "customers", id, Hub.FIELDS, "1 minute", "here", "link").get("action");
        assertEquals("parked", claim.get());
        sql.run("select sync.first_contact('new', 'customers', 'link')");
        assertEquals("parked", claim.get());
        sql.run("select sync.cancel(id) from sync.run where system = 'new'");
        assertEquals("create", claim.get());
    }

    @Test
    void what_no_reconcile_looks_at_waits_for_ten_seconds_only() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        Supplier<Object> claim = () -> Writes.claim(sql, "unseen", "customers", id, Hub.FIELDS, "1 minute", "here", "link").get("action");
        assertEquals("parked", claim.get());
        sql.run("insert into sync.instance (id, seen_at, steady_since) values ('here', now(), now() - interval '11 seconds') on conflict (id) do update"
                + " set steady_since = excluded.steady_since");
        assertEquals("parked", claim.get());
        sql.run("update sync.system set met_at = met_at - interval '10 seconds' where name = 'unseen'");
        assertEquals("create", claim.get());
    }

    @Test
    void a_record_with_nothing_to_send_is_not_parked() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        sql.run("select sync.pause('stripe', 'out')");
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(0, sql.number("select count(*) from sync.link where parked_at is not null"));
    }

    @Test
    void unparks_the_oldest_first_and_so_many_at_once() throws SQLException {
        sql.run("select sync.pause('stripe', 'out')");
        var first = scene.insert("{name:'first'}");
        scene.hub.claim(first);
        for (int i = 0; i < 3; i++) {
            scene.hub.claim(scene.insert("{name:'later'}"));
        }
        sql.run("select sync.resume('stripe', 'out')");
        scene.quiet();
        assertEquals(1, sql.number("select sync.unpark(1)"));
        assertEquals(1, scene.pokes(first));
        assertEquals(3, sql.number("select sync.unpark(5)"));
    }

    @Test
    void events_that_come_while_a_system_is_paused_are_applied_in_their_order_after_it_is_resumed() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        sql.run("select sync.pause('stripe', 'in')");
        assertEquals("held", scene.updated("ext_" + id, START + 20, "{name:'Ada K'}", "{name:'Ada King'}"));
        assertEquals("held", scene.updated("ext_" + id, START + 10, "{name:'Ada'}", "{name:'Ada K'}"));
        assertEquals("held", scene.created("ext_new", START + 10, "{name:'New'}"));
        assertEquals("Ada", scene.customer(id).get("name").asText());
        assertEquals(0, Events.release(sql, 10));
        sql.run("select sync.resume('stripe', 'in')");
        assertEquals(3, Events.release(sql, 10));
        assertEquals(0, Events.release(sql, 10));
        assertEquals("Ada King", scene.customer(id).get("name").asText());
        assertEquals(2, scene.customers());
        assertEquals(List.of("applied", "created"), sql.texts("select distinct outcome from sync.event order by 1"));
    }

    @Test
    void a_held_event_that_comes_again_is_a_duplicate() throws SQLException {
        var thing = new ModelRemote.Thing("ext_1", null, Scene.state("{name:'Ada'}"));
        sql.run("select sync.pause('stripe', 'in')");
        assertEquals("held", scene.hub.apply(new ModelRemote.Event("evt_same", "created", START, null, thing, null)));
        assertEquals("duplicate", scene.hub.apply(new ModelRemote.Event("evt_same", "created", START, null, thing, null)));
        sql.run("select sync.resume('stripe', 'in')");
        Events.release(sql, 10);
        assertEquals("duplicate", scene.hub.apply(new ModelRemote.Event("evt_same", "created", START, null, thing, null)));
        assertEquals(1, scene.customers());
    }

    @Test
    void what_others_edited_waits_while_inbound_is_paused_and_our_own_edits_go_out() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'a@example.com'}");
        sql.run("select sync.pause('stripe', 'in')");
        scene.edit(id, START + 1, "{name:'Ada King'}");
        var claim = scene.hub.claim(id);
        assertEquals("settled", scene.settle(claim, "ext_" + id, "{name:'Ada King', email:'b@example.com'}", START + 2));
        assertEquals("a@example.com", scene.customer(id).get("email").asText());
        assertEquals("none", scene.hub.claim(id).action());
        scene.edit(id, START + 3, "{name:'Ada Byron'}");
        assertEquals("update", scene.hub.claim(id).action());
        scene.settle(scene.hub.claim(id), "ext_" + id, null, START + 3);
        sql.run("update sync.link set lease_until = now()");
        sql.run("select sync.resume('stripe', 'in')");
        assertEquals("fetch", claimUntil(id, "fetch"));
    }

    /** The action of the first claim that is neither busy nor none, after what waits is released. */
    private String claimUntil(String id, String action) throws SQLException {
        for (int i = 0; i < 5; i++) {
            sql.run("select sync.unpark(10)");
            var claim = scene.hub.claim(id);
            if (claim.action().equals(action)) {
                return action;
            }
            if (claim.token() != null) {
                scene.settle(claim, "ext_" + id, "{name:'Ada Byron', email:'b@example.com'}", START + 4);
            }
        }
        return "never";
    }

    @Test
    void an_unknown_direction_is_refused() {
        assertThrows(SQLException.class, () -> sql.run("select sync.pause('stripe', 'sideways')"));
    }

    @Test
    void a_name_that_nothing_is_known_of_is_doubted_and_taken() throws SQLException {
        sql.run("select sync.pause('stripe')");
        for (var call : List.of("sync.pause('strpe')", "sync.reconcile('strip', 'customers')")) {
            try (var statement = sql.connection().createStatement()) {
                statement.execute("select " + call);
                assertTrue(statement.getWarnings().getMessage().contains("is the name right?"), call);
            }
        }
        sql.run("delete from sync.run where system = 'strip'");
        try (var statement = sql.connection().createStatement()) {
            statement.execute("select sync.pause('stripe')");
            assertNull(statement.getWarnings());
        }
    }

    // Failures of the whole system.

    @Test
    void an_error_that_no_record_can_mend_pauses_the_system_and_parks_the_record() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        assertEquals("parked", fail(scene.hub.claim(id), "fatal", false, false));
        assertEquals("it failed", sql.text("select out_paused_because from sync.system where name = 'stripe'"));
        assertEquals(0, sql.number("select count(*) from sync.failure"));
        assertEquals("parked", scene.hub.claim(id).action());
        sql.run("select sync.resume('stripe')");
        assertEquals("create", scene.hub.claim(id).action());
    }

    @Test
    void records_are_parked_and_one_probes_while_the_circuit_is_open() throws SQLException {
        var first = scene.insert("{name:'first'}");
        var second = scene.insert("{name:'second'}");
        assertEquals("waiting", fail(scene.hub.claim(first), "transient", true, false));
        assertEquals("parked", fail(scene.hub.claim(second), "transient", true, true));
        assertEquals(1, sql.number("select count(*) from sync.failure"), "only that of before");
        assertEquals("parked", scene.hub.claim(scene.insert("{name:'third'}")).action());
        scene.quiet();
        assertEquals(0, sql.number("select sync.unpark(10)"));

        sql.run("update sync.system set probe_at = now()");
        assertEquals(1, sql.number("select sync.unpark(10)"), "one probes");
        var probe = scene.hub.claim(second);
        assertEquals("create", probe.action());
        assertEquals("parked", scene.hub.claim(first).action(), "while another does");
        assertEquals("parked", fail(probe, "transient", true, false));
        assertTrue(sql.number("select extract(epoch from probe_at - clock_timestamp())::bigint from sync.system") >= 4);

        sql.run("update sync.system set probe_at = now()");
        scene.settle(scene.hub.claim(second), "ext_2", "{name:'second'}", START);
        assertNull(sql.text("select open_since from sync.system"));
        assertEquals(2, sql.number("select sync.unpark(10)"));
        assertEquals("create", scene.hub.claim(first).action());
    }

    @Test
    void a_probe_that_is_refused_closes_the_circuit_too() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        fail(scene.hub.claim(id), "transient", true, true);
        sql.run("update sync.system set probe_at = now()");
        assertEquals("refused", fail(scene.hub.claim(id), "permanent", false, false));
        assertNull(sql.text("select open_since from sync.system"));
    }

    @Test
    void a_call_from_before_the_circuit_opened_does_not_close_it() throws SQLException {
        var slow = scene.hub.claim(scene.insert("{name:'slow'}"));
        fail(scene.hub.claim(scene.insert("{name:'failing'}")), "transient", true, true);
        scene.settle(slow, "ext_1", "{name:'slow'}", START);
        assertEquals("it failed", sql.text("select open_because from sync.system"));
    }

    private String fail(Hub.Claim claim, String failureClass, boolean unanswered, boolean down) throws SQLException {
        return Writes.fail(sql, "stripe", "customers", claim.recordId(), claim.token(), failureClass, unanswered, down, "test", "it failed", "req_1", null);
    }

    // A create of long ago.

    @Test
    void a_create_of_unknown_outcome_is_looked_for_once_its_key_is_forgotten() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        var claim = scene.hub.claim(id);
        scene.hub.fail(claim, false);
        assertEquals("create", scene.hub.claim(id).action());
        sql.run("update sync.link set in_flight_at = now() - interval '23 hours 1 minute', lease_until = now()");
        var find = scene.hub.claim(id);
        assertEquals("find", find.action());
        assertFalse(find.keyPrefix().equals(claim.keyPrefix()), "what is sent then has another key");
        scene.hub.fail(find, false);
        assertEquals("find", scene.hub.claim(id).action(), "and each time after");
    }

    @Test
    void a_create_that_is_refused_after_one_of_unknown_outcome_is_looked_for_and_made_as_the_record_is_then() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.hub.fail(scene.hub.claim(id), true);
        scene.edit(id, START + 1, "{name:'Ada King'}");
        var find = scene.hub.claim(id);
        assertEquals("find", find.action());
        assertEquals("Ada King", find.record().get("name").asText());
        assertEquals("settled", scene.hub.settle(find, new ModelRemote.Answer("ext_1", Scene.state("{name:'Ada'}"), START, true)), "found");
        var fetch = scene.hub.claim(id);
        assertEquals("fetch", fetch.action());
        scene.settle(fetch, "ext_1", "{name:'Ada'}", START);
        var update = scene.hub.claim(id);
        assertEquals("update", update.action());
        assertEquals("Ada King", update.record().get("name").asText());
    }

    /** And not on what an earlier try sent, though the row says that again. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void both_sides_agree_on_what_was_made_because_nothing_was_found(boolean echoFirst) throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.hub.fail(scene.hub.claim(id), true);
        scene.edit(id, START + 1, "{name:'Ada King'}");
        var find = scene.hub.claim(id);
        assertEquals("find", find.action());
        scene.edit(id, START + 2, "{name:'Ada'}");
        if (echoFirst) {
            assertEquals("echo", scene.event("created", "ext_1", START + 2, find.keyPrefix() + ":x", id, null, "{name:'Ada King'}"));
        }
        scene.settle(find, "ext_1", "{name:'Ada King'}", START + 2);
        var update = scene.hub.claim(id);
        assertEquals("update", update.action());
        assertEquals("Ada", update.record().get("name").asText());
    }

    @Test
    void the_object_of_an_id_of_an_earlier_life_is_not_taken_for_the_one_that_is_looked_for() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.delete(id);
        assertEquals("gone", scene.settle(scene.hub.claim(id), "ext_" + id, null, START));
        sql.run("insert into customers (id, name) values (?::bigint, 'Ada again')", id);
        var created = scene.hub.claim(id);
        scene.hub.fail(created, false);
        scene.hub.fail(scene.hub.claim(id), true);
        var find = scene.hub.claim(id);
        assertEquals("find", find.action());
        scene.quiet();
        assertEquals("missed", scene.hub.settle(find, new ModelRemote.Answer("ext_" + id, Scene.state("{name:'Ada'}"), START, true)));
        assertEquals("Ada again", scene.customer(id).get("name").asText());
        assertEquals(1, scene.pokes(id));
        var again = scene.hub.claim(id);
        assertEquals("create", again.action());
        assertFalse(again.keyPrefix().equals(created.keyPrefix()));
    }

    @Test
    void an_object_that_is_not_there_is_not_written_to_again_and_again_while_inbound_is_paused() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        sql.run("select sync.pause('stripe', 'in')");
        scene.edit(id, START + 1, "{name:'Ada King'}");
        var update = scene.hub.claim(id);
        scene.quiet();
        assertEquals("look", scene.settle(update, "ext_" + id, null, START));
        assertEquals(0, scene.pokes(id));
        assertEquals(0, sql.number("select sync.unpark(10)"));
        sql.run("select sync.resume('stripe')");
        assertEquals(1, sql.number("select sync.unpark(10)"));
        assertEquals("fetch", scene.hub.claim(id).action());
    }

    @Test
    void only_events_that_have_ended_are_forgotten_however_old_they_are() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        assertEquals("applied", scene.updated("ext_" + id, START + 1, "{name:'Ada'}", "{name:'Ada K'}"));
        sql.run("alter table customers add constraint customers_have_no_grace check (name <> 'Grace')");
        try {
            assertEquals("failed", scene.created("ext_g", START, "{name:'Grace'}"));
            assertEquals("failed", scene.created("ext_h", START, "{name:'Grace'}"));
        } finally {
            sql.run("alter table customers drop constraint customers_have_no_grace");
        }
        sql.run("select sync.dismiss('stripe', 'customers', 'ext_h')");
        assertEquals("waiting", invoiceOf("ext_later"));
        sql.run("select sync.pause('stripe', 'in')");
        assertEquals("held", scene.updated("ext_" + id, START + 20, "{name:'Ada K'}", "{name:'Ada King'}"));
        sql.run("update sync.event set received_at = now() - interval '100 days'");
        assertEquals(2, sql.number("select sync.prune('35 days')"), "what was applied, and what a person has dismissed");
        assertEquals(List.of("failed", "held", "waiting"), sql.texts("select outcome from sync.event order by outcome"));

        sql.run("select sync.resume('stripe')");
        assertEquals(1, Events.release(sql, 10));
        assertEquals(Scene.state("{name:'Ada King'}"), scene.customer(id));
        assertEquals("what came in is applied again now", sql.text("select sync.retry('stripe', 'customers', 'ext_g')"));
        assertEquals(1, Events.release(sql, 10));
        scene.created("ext_later", START, "{name:'Later'}");
        assertEquals(1, Events.release(sql, 10));
        assertEquals(1, sql.number("select count(*) from invoices"));
        sql.run("delete from invoices");
    }

    @Test
    void events_that_cannot_be_applied_yet_cost_nothing_while_they_wait() throws Exception {
        for (int i = 0; i < 6; i++) {
            sql.run("select count(*) from sync.due_events(500)"); // planned while there are none
        }
        sql.run("select sync.pause('stripe', 'in')");
        sql.run("insert into sync.blocked (system, entity, reason) values ('crm', 'customers', 'for a test')");
        sql.run("""
                insert into sync.event (system, event_id, entity, type, created, external_id, outcome, held)
                select s, 'evt_' || n, 'customers', 'customer.updated', now(), 'ext_' || n, 'held', '{}' from unnest(array['stripe', 'crm']) s, generate_series(1, 20000) n""");
        sql.run("""
                insert into sync.event (system, event_id, entity, type, created, external_id, outcome, held, waits_for, try_at)
                select 'mail', 'evt_' || n, 'customers', 'customer.updated', now(), 'ext_' || n, 'waiting', '{}', 'products/' || n, now() + interval '1 minute'
                  from generate_series(1, 20000) n""");
        try {
            assertTrue(pages("select count(*) from sync.due_events(500)") < 100, "pages read: " + pages("select count(*) from sync.due_events(500)"));
        } finally {
            sql.run("delete from sync.blocked");
        }
    }

    @Test
    void an_event_that_waits_is_applied_though_what_it_waits_for_came_at_the_very_moment() throws SQLException {
        assertEquals("waiting", invoiceOf("ext_c"));
        sql.run("alter table sync.link disable trigger user"); // whoever committed the customer did not see that something waits
        try {
            scene.created("ext_c", START, "{name:'Cy'}");
        } finally {
            sql.run("alter table sync.link enable trigger user");
        }
        sql.run("select sync.look_for_awaited(10)");
        assertEquals(0, Events.release(sql, 10), "its next look is a second later");
        sql.run("update sync.event set try_at = try_at - interval '1 second' where outcome = 'waiting'");
        sql.run("select sync.look_for_awaited(10)");
        assertEquals(1, Events.release(sql, 10));
        assertEquals(1, sql.number("select count(*) from invoices"));
        sql.run("delete from invoices");
    }

    /** An event about an invoice of that customer. */
    private static String invoiceOf(String customer) throws SQLException {
        return Events.apply(sql, "invoices", "{\"id\": \"evt_in\", \"type\": \"invoice.created\", \"at\": 1, \"external_id\": \"in_1\", \"deleted\": false}", "{\"customer_id\": \"" + customer + "\", \"currency\": \"EUR\"}", null, null, "{customer_id,currency}", "newest");
    }

    /** How many pages of tables and indexes a query reads, once its plan is made. */
    private static long pages(String query) throws Exception {
        var plan = Hub.JSON.readTree(sql.text("explain (analyze, buffers, format json) " + query)).get(0).get("Plan");
        return plan.get("Shared Hit Blocks").asLong() + plan.get("Shared Read Blocks").asLong();
    }

    @Test
    void a_stored_event_of_a_table_that_is_not_tracked_any_more_stops_no_other() throws SQLException {
        sql.run("create table notes (id bigint generated by default as identity primary key, name text)");
        sql.run("select sync.track('notes')");
        sql.run("select sync.pause('stripe', 'in')");
        var notes = "{\"id\": \"evt_notes\", \"type\": \"note.created\", \"at\": 1, \"external_id\": \"note_1\", \"deleted\": false}";
        assertEquals("held", Events.apply(sql, "notes", notes, "{\"name\": \"one\"}", null, null, "{name}", "newest"));
        assertEquals("held", scene.created("ext_g", START, "{name:'Grace'}"));
        sql.run("select sync.untrack('notes')");
        sql.run("drop table notes");
        sql.run("select sync.resume('stripe')");
        assertEquals(1, Events.release(sql, 10));
        assertEquals(1, scene.customers());
    }

    @Test
    void a_create_that_was_never_made_is_forgotten_with_its_record() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), false);
        scene.hub.fail(scene.hub.claim(id), true);
        scene.delete(id);
        var find = scene.hub.claim(id);
        assertEquals("find", find.action());
        assertNull(find.record());
        assertEquals("gone", scene.settle(find, null, null, START));
        assertEquals("none", scene.hub.claim(id).action());
        assertEquals(0, sql.number("select count(*) from sync.link"));
        assertEquals(0, sql.number("select count(*) from sync.failure"));
    }

    // Rates.

    @Test
    void calls_are_spread_over_time_and_background_work_takes_what_is_left() throws SQLException {
        assertEquals(0, permit(0.1, false));
        long wait = permit(0.1, false);
        assertTrue(wait > 5_000 && wait <= 10_000, wait + " ms");
        assertTrue(permit(0.1, false) > wait + 5_000);
        assertTrue(permit(0.1, true) < 0);
        sql.run("update sync.rate set next_at = now() - interval '1 second'");
        assertEquals(0, permit(0.1, true));
    }

    @Test
    void a_system_that_says_too_fast_is_called_half_as_often_for_a_while() throws SQLException {
        permit(100, false);
        sql.run("select sync.slow_down('stripe', '')");
        sql.run("select sync.slow_down('stripe', '')"); // of the same moment
        assertEquals(50, sql.number("select rate from sync.rate where class = ''"));
        assertEquals(20, pause(), 2);
        sql.run("update sync.rate set slowed_at = now() - interval '10 seconds'");
        assertEquals(10, pause());
    }

    /** The milliseconds from one call to the next. */
    private long pause() throws SQLException {
        sql.run("update sync.rate set next_at = '2100-01-01'");
        permit(100, false);
        return sql.number("select extract(milliseconds from next_at - '2100-01-01')::bigint from sync.rate where class = ''");
    }

    private long permit(double rate, boolean background) throws SQLException {
        return sql.number("select sync.permit('stripe', 'customers', ?::numeric, ?)", rate, background);
    }

    // Instances and jobs.

    @Test
    void what_a_dead_instance_held_is_free_after_five_seconds_and_what_a_live_one_holds_is_not() throws SQLException {
        var held = scene.insert("{name:'held'}");
        var lost = scene.insert("{name:'lost'}");
        scene.hub.claim(held);
        scene.hub.claim(lost);
        sql.run("update sync.link set holder = case record_id when ? then 'alive' else 'dead' end", held);
        sql.run("select sync.beat('alive'), sync.beat('dead'), sync.beat('me')");
        scene.quiet();
        assertEquals(0, sql.number("select sync.retry_due('me')"));
        sql.run("update sync.instance set seen_at = now() - interval '6 seconds' where id = 'dead'");
        assertEquals(0, sql.number("select sync.retry_due('me')"), "whoever has just come back himself cannot tell");
        sql.run("update sync.instance set steady_since = now() - interval '6 seconds' where id = 'me'");
        assertEquals(1, sql.number("select sync.retry_due('me')"));
        assertEquals(1, scene.pokes(lost));
    }

    @Test
    void one_instance_has_a_job_until_its_lease_ends() throws SQLException {
        assertEquals("true", take("a", "1 minute"));
        assertEquals("false", take("b", "1 minute"));
        assertEquals("true", take("a", "0 seconds"));
        assertEquals("true", take("b", "1 minute"));
    }

    private String take(String instance, String lease) throws SQLException {
        return sql.text("select sync.take_job('job', ?, ?::interval)::text", instance, lease);
    }

    // What a person sees and does.

    @Test
    void the_timeline_of_a_record_tells_its_story() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        sql.run("select sync.outbox_acknowledge(array(select id from sync.outbox))");
        scene.settle(scene.hub.claim(id), "ext_" + id, "{name:'Ada'}", START);
        scene.updated("ext_" + id, START + 10, "{name:'Ada'}", "{name:'Ada King'}");
        scene.edit(id, START + 20, "{email:'a@example.com'}");
        scene.hub.fail(scene.hub.claim(id), true);
        assertEquals(List.of("inserted in the hub", "create in stripe: done", "customer.updated from stripe: applied",
                "update in stripe of email: refused, a person or the next change must mend it. a test made it fail"),
                sql.texts("select what from sync.timeline('customers', ?)", id));
    }

    @Test
    void old_days_of_the_timeline_are_dropped() throws SQLException {
        sql.run("""
                create table sync.activity_20200101 partition of sync.activity for values from ('2020-01-01 00:00+00') to ('2020-01-02 00:00+00')""");
        sql.run("insert into sync.activity (at, entity, record_id, kind, what) values ('2020-01-01 12:00+00', 'customers', '1', 'note', 'old')");
        sql.run("select sync.note('customers', '1', 'stripe', 'note', 'new')");
        sql.run("select sync.keep_activity('30 days')");
        assertEquals(List.of("new"), sql.texts("select what from sync.timeline('customers', '1')"));
    }

    @Test
    void what_came_in_and_did_not_fit_is_applied_when_a_person_has_mended_the_table() throws SQLException {
        sql.run("alter table customers add constraint customers_have_no_grace check (name <> 'Grace')");
        try {
            assertEquals("failed", scene.created("ext_g", START, "{name:'Grace'}"));
            assertEquals("what came in is applied again now", sql.text("select sync.retry('stripe', 'customers', 'ext_g')"));
            assertEquals(1, Events.release(sql, 10));
            assertEquals(1, sql.number("select count(*) from sync.failure"));
        } finally {
            sql.run("alter table customers drop constraint customers_have_no_grace");
        }
        assertEquals("what came in is applied again now", sql.text("select sync.retry('stripe', 'customers', 'ext_g')"));
        assertEquals(1, Events.release(sql, 10));
        assertEquals(0, sql.number("select count(*) from sync.failure"));
        assertEquals("there is no failure of that record", sql.text("select sync.retry('stripe', 'customers', 'ext_g')"));
    }

    @Test
    void an_address_that_a_trigger_quotes_is_not_kept() throws SQLException {
        sql.run("""
                create function no_grace() returns trigger language plpgsql as $$
                begin
                  raise exception 'customer <%> is on the list of those who do not pay', new.email;
                end $$""");
        sql.run("create trigger no_grace before insert on customers for each row execute function no_grace()");
        try {
            assertEquals("failed", scene.created("ext_g", START, "{name:'Grace', email:'grace@example.com'}"));
        } finally {
            sql.run("drop function no_grace cascade");
        }
        var told = sql.texts("select reason from sync.failure union all select what from sync.activity where record_id = 'ext_g'");
        assertTrue(told.toString().contains("customer <…> is on the list"), told::toString);
        assertFalse(told.toString().contains("grace@"), told::toString);
    }

    @Test
    void a_refused_record_is_looked_at_when_a_person_says_so() throws SQLException {
        var id = scene.insert("{name:'Ada'}");
        scene.hub.fail(scene.hub.claim(id), true);
        scene.quiet();
        assertEquals("a worker looks at it now", sql.text("select sync.retry('stripe', 'customers', ?)", id));
        assertEquals(1, scene.pokes(id));
    }

    @Test
    void what_came_in_and_does_not_fit_is_dismissed_by_a_person_and_applied_when_it_changes() throws SQLException {
        var id = scene.linked("{name:'Ada'}");
        scene.updated("ext_" + id, START + 1, "{name:'Ada'}", "{name:'Ada', address:'no object'}");
        assertEquals("it is tried again when it changes, here or there", sql.text("select sync.dismiss('stripe', 'customers', ?)", id));
        assertEquals(0, sql.number("select count(*) from sync.failure"));
        assertEquals("no failure of that record waits for a person", sql.text("select sync.dismiss('stripe', 'customers', ?)", id));
        assertEquals("applied", scene.updated("ext_" + id, START + 2, "{name:'Ada', address:'no object'}", "{name:'Grace'}"));
        assertEquals("Grace", scene.customer(id).get("name").asText());
    }

    @Test
    void no_failure_is_left_of_a_record_that_is_gone_on_both_sides() throws SQLException {
        // A row that was never sent, because somebody had it locked.
        var never = scene.insert("{name:'Ada'}");
        sql.run("select sync.record_failure('stripe', 'customers', ?, 'out', 'transient', 'locked', 'somebody has locked the row', null, null)", never);
        scene.delete(never);
        assertEquals("none", scene.hub.claim(never).action());

        // An object that never fitted.
        sql.run("alter table customers add constraint customers_have_no_grace check (name <> 'Grace')");
        try {
            assertEquals("failed", scene.created("ext_g", START, "{name:'Grace'}"));
        } finally {
            sql.run("alter table customers drop constraint customers_have_no_grace");
        }
        scene.deleted("ext_g", START + 1);
        assertEquals(0, sql.number("select count(*) from sync.event where held is not null"));

        // An object that waits for another one.
        assertEquals("waiting", invoiceOf("ext_never"));
        assertEquals("deleted", Events.apply(sql, "invoices", "{\"id\": \"evt_gone\", \"type\": \"invoice.deleted\", \"at\": 2, \"external_id\": \"in_1\", \"deleted\": true}", "{}", null, null, "{customer_id,currency}", "newest"));
        Events.release(sql, 10);
        assertEquals(List.of("deleted", "tombstone"), sql.texts("select outcome from sync.event where entity = 'invoices' order by outcome"));

        // A record that was refused, and whose delete a person cancels.
        var refused = scene.linked("{name:'Bob'}");
        scene.edit(refused, START + 1, "{name:'Bobby'}");
        scene.hub.fail(scene.hub.claim(refused), true);
        scene.delete(refused);
        sql.run("update sync.link set deletion = 'held_out' where record_id = ?", refused);
        sql.run("select sync.cancel_delete('stripe', 'customers', ?)", refused);

        assertEquals(List.of(), sql.texts("select to_json(f) from sync.failure f"));
    }

    // What stays of those who are gone.

    @Test
    void what_is_known_of_a_deleted_record_is_forgotten_once_no_late_event_needs_it() throws SQLException {
        var id = scene.linked("{name:'Ada', email:'ada@example.com'}");
        scene.edit(id, START + 9, "{name:'Ada Byron'}");
        scene.updated("ext_" + id, START + 5, "{name:'Ada'}", "{name:'Ada King', email:'ada@example.com'}");
        sql.run("insert into sync.run (system, entity, mode, because, state) values ('stripe', 'customers', 'diff', 'a test', 'done')");
        sql.run("insert into sync.difference (run_id, kind, record_id, external_id, field, hub, remote) select max(id), 'differs', ?, ?, 'name', '\"Ada\"', '\"Ada\"' from sync.run",
                id, "ext_" + id);
        scene.delete(id);
        scene.settle(scene.hub.claim(id), null, null, START + 10);
        sql.run("select sync.forget_deleted('7 days')");
        scene.updated("ext_" + id, START + 11, "{email:'ada@example.com'}", "{name:'Ada King', email:'ada@example.org'}"); // made before the delete, and late
        assertEquals(2, scene.conflicts().size(), "the name that both had edited, and the address that was edited there");
        assertTrue(sql.traces("Ada").size() >= 3, sql.traces("Ada").toString());

        sql.run("update sync.link set deleted_at = deleted_at - interval '8 days' where record_id = ?", id);
        sql.run("select sync.forget_deleted('7 days')");
        assertEquals("tombstone", scene.updated("ext_" + id, START + 12, "{name:'Ada'}", "{name:'Ada', email:'ada@example.net'}"));
        sql.run("delete from sync.outbox");
        assertEquals(List.of(), sql.traces("Ada"));
        assertEquals(List.of(), sql.traces("ada@"));
        assertEquals("hub", sql.text("select distinct winner from sync.conflict"), "that there was one is kept");

        // Its id may be given again.
        sql.run("insert into customers (id, name) values (?::bigint, 'Grace')", id);
        var again = scene.hub.claim(id);
        assertEquals("create", again.action());
        assertEquals("settled", scene.settle(again, "ext_again", "{name:'Grace'}", START + 20));
        assertEquals("none", scene.hub.claim(id).action());
    }

    @Test
    void conflicts_of_a_row_that_stays_though_its_object_is_gone_are_kept() throws SQLException {
        sql.run("insert into sync.integration (system, entity, fields, policy, deletes_in, defined_in) values ('stripe', 'customers', '" + Hub.FIELDS + "', 'newest', 'keep', '')");
        try {
            var id = scene.linked("{name:'Ada'}");
            scene.edit(id, START + 9, "{name:'Ada Byron'}");
            scene.updated("ext_" + id, START + 5, "{name:'Ada'}", "{name:'Ada King'}");
            scene.deleted("ext_" + id, START + 10);
            sql.run("select sync.forget_deleted('0')");
            assertEquals(List.of("name Ada > Ada Byron | Ada King: hub"), scene.conflicts());
            assertEquals("none", scene.hub.claim(id).action());
        } finally {
            sql.run("delete from sync.integration");
        }
    }

    @Test
    void conflicts_are_kept_for_a_while() throws SQLException {
        sql.run("""
                insert into sync.conflict (system, entity, record_id, field, winner, reason, at)
                select 'stripe', 'customers', '1', 'name', 'hub', n || ' days ago', now() - make_interval(days => n) from unnest(array[1, 89, 91, 1000]) n""");
        assertEquals(2, sql.number("select sync.keep_conflicts('90 days')"));
        assertEquals(List.of("1 days ago", "89 days ago"), sql.texts("select reason from sync.conflict order by at desc"));
    }

    @Test
    void of_many_that_wait_for_one_each_asks_for_it_once() throws SQLException {
        var customer = scene.insert("{name:'Ada'}");
        var invoices = sql.texts("insert into invoices (customer_id, currency) select ?::bigint, 'EUR' from generate_series(1, 3) returning id", customer);
        scene.quiet();
        for (int i = 0; i < 3; i++) {
            for (var invoice : invoices) {
                assertEquals("waiting", Writes.action(sql, "stripe", "invoices", invoice, "{customer_id, currency}"));
            }
        }
        assertEquals(3, scene.pokes(customer));
        assertEquals(3, sql.number("select count(*) from sync.failure where code = 'reference' and next_attempt_at is not null"));
        scene.settle(scene.hub.claim(customer), "ext_" + customer, "{name:'Ada'}", START);
        assertEquals(3, sql.number("select count(*) from sync.outbox where entity = 'invoices' and target = 'stripe' and op = 'r'"));
        assertEquals("create", Writes.action(sql, "stripe", "invoices", invoices.get(0), "{customer_id, currency}"));
        sql.run("delete from invoices");
    }
}
